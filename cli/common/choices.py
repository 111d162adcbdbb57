"""Options whose values are names show them in help, complete them in the shell, and refuse others with the nearest."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

__all__ = ["choice", "close_match", "completed", "fill_in_names", "known", "nearest", "refusal"]

Names = Callable[[], Sequence[str]]
"""A function that gives the names when they are needed, since some rooms take long to import."""

PLACE = "{names}"
"""The text that stands for the names in an option's help."""


def known(*names: str) -> Names:
    """A function that gives these names."""
    return lambda: names


def choice(names: Names, *declarations: str, help: str, check: bool = True, **others: Any) -> Any:
    """An option whose value is one of the names, or is made of them if ``check`` is not set.

    Parameters
    ----------
    names: gives what there is to choose from
    declarations: the option's name, and its names in earlier versions
    help: what help says of it. {names} in it stands for the names; without it, they are shown as the metavar
    check: whether any other value is refused, by a ValueError
    """

    def checked(parameter: typer.CallbackParam, value: str | None) -> str | None:
        if check and value not in (None, parameter.default) and value not in names():
            raise refusal(_name(parameter), value, names())
        return value

    checked.names = names  # type: ignore[attr-defined]
    return typer.Option(*declarations, help=help, callback=checked, autocompletion=completed(names), **others)


def _name(parameter: typer.CallbackParam) -> str:
    """What messages call an option: by its name, with the dashes where its value has another name."""
    name = str(parameter.name)
    return name if f"--{name.replace('_', '-')}" in parameter.opts else parameter.opts[0]


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
    """The error for a value that is none of the names."""
    which = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    return ValueError(f"{what} must be {which}, not {value!r}{nearest(value, names)}")


def nearest(value: str, names: Sequence[str]) -> str:
    """The words that suggest the name that looks most like the value; empty if none looks like it."""
    found = close_match(value, names)
    return f"; did you mean {found!r}?" if found else ""


def close_match(value: str, names: Sequence[str]) -> str | None:
    """The name that looks most like the value; None if none does."""
    begun = [name for name in names if value and name.startswith(value.lower())]
    found = difflib.get_close_matches(value.lower(), begun or names, n=1, cutoff=0.0 if begun else 0.6)
    return found[0] if found else None
