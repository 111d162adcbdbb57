"""The synthesis recipes that are tried on every design; the smallest result is kept."""

from dataclasses import dataclass

__all__ = ["NAMED", "RECIPES", "WIDE", "SynthesisRecipe", "recipes_for"]


@dataclass(frozen=True)
class SynthesisRecipe:
    """One way to run a family's synthesis; everything else is the family's own flow.

    Parameters
    ----------
    name: the name that rows have
    booth: whether to multiply by yosys's radix-4 Booth pass
    abc9: a script for abc9, or the name (``abc9.script.*``) of one of its own; empty for the family's default
    wide: whether to join LUTs by the multiplexers behind them, although the family's own options forbid it. That is
        faster, and never smaller
    abc: a script for the older abc, which is then used instead of abc9. It optimizes no logic across carry chains
    """

    name: str
    booth: bool = False
    abc9: str = ""
    abc: str = ""
    wide: bool = False


_MAP = "dch -f; if -a; mfs2 -a -e; lutpack -S 1"
_AREA = f"strash; ifraig; scorr; dc2; {_MAP}"
_REWRITE = (
    "strash; balance -l; rewrite -l; refactor -l; balance -l; rewrite -l; rewrite -l -z; balance -l; refactor -l -z; "
    "rewrite -l -z; balance -l; scorr"
)

# each of these is the smallest for some pair of formats on some family; the first is the family's own flow
_MAPPERS: tuple[tuple[str, str, str], ...] = (
    ("abc9", "", ""),
    ("abc9-area", "abc9.script.default.area", ""),
    ("abc9-flow3", "abc9.script.flow3", ""),
    ("abc-area", "", _AREA),
    ("abc-area-twice", "", f"{_AREA}; strash; {_MAP}"),
    ("abc-rewrite", "", f"{_REWRITE}; strash; {_MAP}; strash; {_MAP}; strash; {_MAP}"),
)

RECIPES = tuple(
    SynthesisRecipe(f"booth+{name}" if booth else name, booth, abc9, abc)
    for booth in (False, True)
    for name, abc9, abc in _MAPPERS
)


WIDE = SynthesisRecipe("abc9-wide", wide=True)

NAMED = {recipe.name: recipe for recipe in (*RECIPES, WIDE)}
"""Every recipe that a caller may ask for, by its name."""


def recipes_for(rtlil: str, dsp: str, *, wide: bool = False) -> tuple[SynthesisRecipe, ...]:
    """The recipes that can make a difference. Booth can only where multiplications stay in logic; ``WIDE`` has to be
    asked for."""
    booth = dsp == "none" and "cell $mul " in rtlil
    return (*(recipe for recipe in RECIPES if booth or not recipe.booth), *((WIDE,) if wide else ()))
