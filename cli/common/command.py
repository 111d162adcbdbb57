"""Commands and groups of commands are made when they are asked for. Names that they had before still work."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from .choices import close_match, fill_in_names, nearest

__all__ = ["Command", "Commands", "Group", "command_line", "made", "refused_option"]

_ARGUMENTS = "fewbit.arguments"


class Command(TyperCommand):
    """A command whose options may have several long names. The first is shown, and the others are old names."""

    def __init__(self, *args: Any, **others: Any):
        super().__init__(*args, **others)
        self.help = _paragraphs(self.help or "")
        options = [each for each in self.params if each.param_type_name == "option"]
        long = [[name for name in each.opts if name.startswith("--")] for each in options]
        shown = {names[0] for names in long}
        self._renamed = {old: names[0] for names in long for old in names[1:] if old not in shown}
        for each, names in zip(options, long, strict=True):
            each.opts = [name for name in each.opts if name not in names[1:]]

    @property
    def option_names(self) -> set[str]:
        """Every long name that an option of this command has, or had."""
        return {name for each in self.params for name in (*each.opts, *each.secondary_opts)} | {*self._renamed}

    def takes_value(self, argument: str) -> bool:
        """Whether the argument is an option of this command whose value is the next one."""
        name = self._renamed.get(argument, argument)
        return any(name in each.opts and not getattr(each, "is_flag", False) for each in self.params)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        args = [self._with_new_name(argument) for argument in args]
        self._check_values(args)
        ctx.meta[_ARGUMENTS] = [*args]
        return super().parse_args(ctx, args)  # type: ignore[arg-type]

    def _check_values(self, args: list[str]) -> None:
        """Raise ValueError if an option has an empty value, as an unset variable of the shell gives it."""
        for name, value in (*pairwise(args), *(each.split("=", 1) for each in args if "=" in each)):
            if not value and self.takes_value(name):
                raise ValueError(f"{name} must have a value, not ''")

    def _with_new_name(self, argument: str) -> str:
        name, *value = argument.split("=", 1)
        return "=".join([self._renamed.get(name, name), *value])

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        fill_in_names(self.params)
        super().format_help(ctx, formatter)  # type: ignore[arg-type]


def _paragraphs(text: str) -> str:
    """The text without the source's line breaks, which are none of the screen's; those between paragraphs stay."""
    return "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))


def command_line(context: typer.Context) -> str:
    """The command as the user gave it, by the names that it and its options have now."""
    return shlex.join([*context.command_path.split(), *context.meta[_ARGUMENTS]])


def made(function: Callable[..., None], name: str, panel: str | None = None) -> Any:
    """The command of that name, which calls the function. Lists of commands have it under the title ``panel``."""
    app = typer.Typer(add_completion=False)
    app.command(name, cls=Command, rich_help_panel=panel)(function)
    return typer.main.get_command(app)


class Commands(Mapping[str, Any]):
    """Commands by name. Each is made when it is first looked up, since there are hundreds of options in all."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]):
        self._makers = dict(makers)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def refused_option(context: typer.Context, option: str) -> str:
    """What is wrong with an option that the context's command does not have."""
    command: Any = context.command
    siblings: Mapping[str, Any] = context.parent.command.siblings() if context.parent else {}  # type: ignore[attr-defined]
    others = [name for name, other in siblings.items() if option in other.option_names]
    if others:
        return f"{option} must be left out for {command.name}; it is an option of {', '.join(others)}"
    names = sorted(name for each in command.get_params(context) for name in each.opts if name.startswith("--"))
    return f"option must be one of `{context.command_path} --help`, not {option!r}{nearest(option, names)}"


class Group(TyperGroup):
    """A group of commands. Without a command, it shows its help."""

    kind = "command"
    """What its members are called."""

    def __init__(self, name: str, help: str, makers: Mapping[str, Callable[[], Any]], **others: Any):
        commands: Any = Commands(makers)
        super().__init__(name=name, help=_paragraphs(help), commands=commands, **others)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)  # type: ignore[arg-type]

    def intended(self, name: str) -> str | None:
        """The command that a wrong name looks most like, as a user types it; None if it looks like none."""
        return close_match(name, [*self.commands])

    def siblings(self) -> Mapping[str, Any]:
        """Commands that a user may confuse with one of this group's. Their options are named in messages. Most groups
        have none."""
        return {}
