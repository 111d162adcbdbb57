"""Where a tensor lies in a memory of an accelerator."""

from dataclasses import dataclass

from ..base import check_integer

__all__ = ["View"]

MAX_SIDE = (1 << 16) - 1
MAX_ADDRESS = (1 << 24) - 1


@dataclass(frozen=True)
class View:
    """A tensor of ``height x width`` pixels in a memory whose words hold some codes each.

    Pixel (y, x) lies in ``words`` words from ``base + (y * width + x) * pitch`` on. Channels lie in ascending order,
    the first in the lowest bits of the first word. Codes of the last word that are no channels count as zero wherever a
    weight of zero meets them, and may be anything.

    Parameters
    ----------
    base: address of the first word of pixel (0, 0)
    height, width: pixels
    words: words of a pixel
    pitch: words from one pixel to the next, at least ``words``; more where the tensor is part of a concatenated one
    """

    base: int
    height: int
    width: int
    words: int
    pitch: int

    def __post_init__(self) -> None:
        check_integer("base", self.base, 0, MAX_ADDRESS)
        for name in ("height", "width", "words"):
            check_integer(name, getattr(self, name), 1, MAX_SIDE)
        check_integer("pitch", self.pitch, self.words, MAX_ADDRESS)

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def end(self) -> int:
        """The address behind the last word."""
        return self.base + (self.pixels - 1) * self.pitch + self.words
