"""What a board says of the network that it computes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...formats import Format, parse
from ...formats.network import Program

__all__ = ["BoardNetwork"]

LONGEST_NAME = 40
"""Most characters of a network's name in a description, which has to go into a block RAM."""


@dataclass(frozen=True)
class BoardNetwork:
    """The network on a board: which program it is, and all that a host needs to talk about images and answers.

    Parameters
    ----------
    name: of the network, its first 40 characters
    digest: of the program
    weight, activation, between: its formats
    image, answer: height, width and channels of an image and of its answer
    rows, columns, lanes, outputs: the shape of the accelerator
    sum_bits: bits of a sum in the answer
    loads: whether weights come over the link, and not with the bitstream
    """

    name: str
    digest: str
    weight: Format
    activation: Format
    between: Format
    image: tuple[int, int, int]
    answer: tuple[int, int, int]
    rows: int
    columns: int
    lanes: int
    outputs: int
    sum_bits: int
    loads: bool

    @classmethod
    def of(cls, program: Program, loads: bool) -> "BoardNetwork":
        """What a board says that runs this program."""
        shape, image, answer = program.shape, program.image, program.answer
        return cls(
            "".join(character if character.isascii() else "?" for character in program.name)[:LONGEST_NAME],
            program.digest,
            *(shape.weight, shape.activation, shape.between),
            (image.height, image.width, image.channels),
            (answer.height, answer.width, answer.channels),
            *(shape.rows, shape.columns, shape.lanes, shape.outputs),
            shape.sum.width,
            loads,
        )

    @property
    def image_bytes(self) -> int:
        height, width, channels = self.image
        return height * width * channels

    @property
    def sums(self) -> int:
        """The number of sums in an answer."""
        height, width, channels = self.answer
        return height * width * channels

    @property
    def sum_bytes(self) -> int:
        """Bytes of a sum on the link."""
        return -(-self.sum_bits // 8)

    @property
    def answer_bytes(self) -> int:
        return self.sums * self.sum_bytes

    def describe(self) -> dict[str, Any]:
        """It in plain values, as JSON has it, in the order of the parameters."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value.name if isinstance(value, Format) else value for name, value in found.items()}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "BoardNetwork":
        """The network that ``describe`` described. Raises TypeError, KeyError, ValueError."""
        formats = {name: parse(content[name]) for name in ("weight", "activation", "between")}
        height, width, channels = content["image"]
        rows, across, outputs = content["answer"]
        shapes = {"image": (height, width, channels), "answer": (rows, across, outputs)}
        return cls(**{**content, **formats, **shapes})
