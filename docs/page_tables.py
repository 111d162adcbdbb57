"""Tables of the pages that scripts here write."""

from collections.abc import Iterable

__all__ = ["table"]


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = [*heads]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
