"""Names of a room that are loaded when they are first asked for, since they need packages that a base install lacks."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazily"]


def lazily(room: str, part: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a room.

    Parameters
    ----------
    room: the room's full name
    part: the extra that brings the packages that are needed
    places: the file of each name, as ``.host.device``

    What it gives raises ModuleNotFoundError with the line that installs the part, where a package is missing.
    """

    def load(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        try:
            return getattr(import_module(places[name], room), name)
        except ModuleNotFoundError as error:
            own = room.partition(".")[0]
            if error.name is None or error.name.partition(".")[0] == own:
                raise
            raise ModuleNotFoundError(
                f"package {error.name} must be installed for {room}.{name}: pip install '{own}[{part}]'",
                name=error.name,
            ) from None

    return load
