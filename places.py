"""Where fewbit keeps things on disk."""

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """The folder that ``FEWBIT_CACHE`` names, else ``fewbit`` in the user's cache folder."""
    named = os.environ.get("FEWBIT_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("fewbit", appauthor=False))
