"""The first start of a YoWASP tool compiles its WebAssembly for half a minute. The user is told so, once."""

import importlib.util
import os
import tempfile
from pathlib import Path

from .console import status

__all__ = ["is_prepared", "prepare"]


def prepare(*tools: str) -> None:
    """Start each of these tools that was never started, since parallel first starts would all compile. Raises
    ToolError."""
    for tool in tools:
        if not is_prepared(tool):
            from ...synth.tools import run

            news = f"Preparing {tool}: its first start compiles WebAssembly, up to a minute, only once ..."
            with status(news), tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
                run(tool, ["--version"], Path(folder))


def is_prepared(tool: str) -> bool:
    """Whether the tool's compiled form is kept from an earlier start, or the tool is not installed at all.

    The YoWASP runtime keeps compiled forms by the SHA-1 of the WebAssembly.
    """
    import hashlib

    import platformdirs

    package, program = tool.replace("-", "_"), f"{tool.removeprefix('yowasp-')}.wasm"
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return True
    kept = Path(os.environ.get("YOWASP_CACHE_DIR") or platformdirs.user_cache_dir("YoWASP", appauthor=False))
    folder = kept / package / program
    if not folder.is_dir():
        return False
    return (folder / hashlib.sha1(Path(found.origin).with_name(program).read_bytes()).hexdigest()).exists()
