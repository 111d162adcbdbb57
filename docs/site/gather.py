"""Puts the repository's own pages into the site where they lie in the repository, so that links between them hold."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

__all__ = ["on_files"]

ROOT = Path(__file__).parents[2]
WHAT = (
    *(
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "study/zoo/nets/README.md",
        "results/study/report.html",
    ),
    *(f"docs/*.{suffix}" for suffix in ("md", "png", "svg", "py")),
    "docs/notebooks/*.ipynb",
)
"""What is in the site beside the pages of docs/site, as patterns."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs with the files of docs/site."""
    for pattern in WHAT:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files
