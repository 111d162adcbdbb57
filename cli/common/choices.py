"""Options whose values are names: shown in help, completed by the shell, and refused with the nearest one."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

__all__ = ["choice", "close_match", "completed", "fill_in_names", "known", "nearest", "refusal"]

Names = Callable[[], Sequence[str]]
"""Gives the names that there are, when they are needed: some are those of rooms that take long to import."""

PLACE = "{names}"
"""What stands for the names in an option's help."""


def known(*names: str) -> Names:
    """The names that are given."""
    return lambda: names


def choice(names: Names, *declarations: str, help: str, check: bool = True, **others: Any) -> Any:
    """An option whose value is one of the names, or where ``check`` is not set is made of them.

    Parameters
    ----------
    names: gives what there is to choose from
    declarations: the option's name, and those of earlier versions
    help: what help says of it; {names} in it stands for the names, which else are shown in the place of a metavar
    check: whether any other value is refused, by a ValueError
    """

    def checked(parameter: typer.CallbackParam, value: str | None) -> str | None:
        if check and value not in (None, parameter.default) and value not in names():
            raise refusal(str(parameter.name), value, names())
        return value

    checked.names = names  # type: ignore[attr-defined]
    return typer.Option(*declarations, help=help, callback=checked, autocompletion=completed(names), **others)


def completed(names: Names) -> Callable[[str], list[str]]:
    """Completes a name, or the last one of several with commas between."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + name for name in names() if name.startswith(last)]

    return complete


def fill_in_names(parameters: Iterable[Any]) -> None:
    """Put the names into the help of those that have some."""
    for parameter in parameters:
        names = getattr(parameter.callback, "names", None)
        if names is None:
            continue
        if PLACE in parameter.help:
            parameter.help = parameter.help.replace(PLACE, ", ".join(names()))
        elif parameter.metavar is None:
            parameter.metavar = "|".join(names())


def refusal(what: str, value: str, names: Sequence[str]) -> ValueError:
    """The error of a value that is none of the names."""
    which = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    return ValueError(f"{what} must be {which}, not {value!r}{nearest(value, names)}")


def nearest(value: str, names: Sequence[str]) -> str:
    """What is to be said of the name that looks most like the value; empty where none looks like it."""
    found = close_match(value, names)
    return f"; did you mean {found!r}?" if found else ""


def close_match(value: str, names: Sequence[str]) -> str | None:
    """The name that looks most like the value, None where none does."""
    begun = [name for name in names if value and name.startswith(value.lower())]
    found = difflib.get_close_matches(value.lower(), begun or names, n=1, cutoff=0.0 if begun else 0.6)
    return found[0] if found else None
