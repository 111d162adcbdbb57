"""Options of commands come in sets; a command may have fewer options than another, or other words for some."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

__all__ = ["narrowed", "takes_options"]

Words = Mapping[str, Mapping[str, Any]]
"""New values of an option's ``help``, ``show_default`` and so on, by the name of its parameter."""


def narrowed(
    command: Callable[..., None], fixed: Mapping[str, Any], words: Words, help: str | None = None
) -> Callable[..., None]:
    """The same command without some of its options.

    Parameters
    ----------
    fixed: the values of the parameters that are no longer options
    words: new words of help for options that stay. Words for options that the command does not have are ignored
    help: the new beginning of its help; None if it stays the same
    """

    def narrow(**given: Any) -> None:
        command(**given, **fixed)

    kept = [each for each in inspect.signature(command).parameters.values() if each.name not in fixed]
    made = _with_parameters(command, narrow, [_reworded(each, words.get(each.name, {})) for each in kept])
    made.__doc__ = help or command.__doc__
    return made


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a dataclass of options by the fields of that dataclass."""
    own = inspect.signature(command).parameters.values()
    sets: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}

    def with_sets(**given: Any) -> None:
        for name, kind in sets.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given)

    parameters = [one for each in own for one in (_options(sets[each.name]) if each.name in sets else [each])]
    return _with_parameters(command, with_sets, parameters)


def _options(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(kind)
    ]


def _with_parameters(
    command: Callable[..., None], function: Callable[..., None], parameters: Iterable[inspect.Parameter]
) -> Callable[..., None]:
    """Give a function the name and the help of a command, and these parameters."""
    functools.update_wrapper(function, command)
    del function.__wrapped__  # type: ignore[attr-defined]  # whose signature would be taken for this one's
    kept = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    function.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in kept}
    return function


def _reworded(parameter: inspect.Parameter, words: Mapping[str, Any]) -> inspect.Parameter:
    if not words:
        return parameter
    option = copy(parameter.annotation.__metadata__[0])
    for name, value in words.items():
        setattr(option, name, value)
    return parameter.replace(annotation=Annotated[parameter.annotation.__origin__, option])
