"""The program of an accelerator: its records, and their weights, parameters and tables in the order of their use."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..catalog import parse
from ..element import parse_element
from .checks import check_program
from .records import Output, Pool, Product, Record, Residual, Window
from .shape import NetworkShape
from .view import View

__all__ = ["Answer", "Image", "Parameter", "Program"]

VERSION = 1


class Parameter(NamedTuple):
    """What belongs to a channel of a record's result: its bias, and its multipliers for the two tensors written."""

    bias: int
    activation: int
    between: int


@dataclass(frozen=True)
class Image:
    """The input: bytes in the order of rows, pixels, channels, each of which becomes a code by its channel's table.

    Parameters
    ----------
    height, width, channels: of the image
    activation, between: the tensors that are written of it, in the two memories; at least one of them
    activation_codes, between_codes: for every channel the codes of the bytes 0 to 255, one table after the other; empty
        where the tensor is not written, or where the bytes are codes already
    resident: whether no record writes where the input lies, so that the next image can be written as soon as
        ``free_after`` is done
    free_after: the place of the last record that reads the input
    scales, offsets: for every channel, or for all of them at once: the network's input is ``number * scale + offset``,
        where the number is the byte, or the value of the code where the bytes are codes
    """

    height: int
    width: int
    channels: int
    activation: View | None
    between: View | None
    activation_codes: bytes = b""
    between_codes: bytes = b""
    resident: bool = False
    free_after: int = 0
    scales: tuple[float, ...] = (1.0,)
    offsets: tuple[float, ...] = (0.0,)

    @property
    def size(self) -> int:
        """Bytes of an image."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Answer:
    """What the host gets, and what it makes of it: the last record's sums, and the value of their unit.

    Parameters
    ----------
    height, width, channels: of the sums
    scales: for every channel, or for all of them at once, what a sum is to be multiplied by, as float32
    flat: whether the network's output is a vector, in the order of channels, rows, pixels
    """

    height: int
    width: int
    channels: int
    scales: tuple[float, ...]
    flat: bool = True

    @property
    def size(self) -> int:
        """Sums of an answer."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Program:
    """A network as an accelerator runs it: its records one after the other, each to its end.

    Parameters
    ----------
    name: of the network
    shape: of the accelerator
    records: the last one writes nothing and gives its sums to the host
    weights: a byte for each code, in the order that ``Product`` tells; the words are as long as ``shape`` makes them
    parameters: of all channels
    tables: of functions, each with a code for every code of the format between layers
    table_formats: for each table ``activation`` or ``between``: the format of its entries
    image: the input
    answer: the output
    activation_words, between_words: words of the two memories
    """

    name: str
    shape: NetworkShape
    records: tuple[Record, ...]
    weights: bytes
    parameters: tuple[Parameter, ...]
    image: Image
    answer: Answer
    activation_words: int
    between_words: int
    tables: tuple[bytes, ...] = ()
    table_formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_program(self)

    @property
    def weight_words(self) -> int:
        """Words of the memory of weights."""
        return len(self.weights) // (self.shape.columns * self.shape.lanes)

    def words(self) -> list[int]:
        """The memory of weights: its words as integers, column 0 and its lane 0 in the lowest bits."""
        width = self.shape.weight.width
        codes = self.shape.columns * self.shape.lanes
        packed = []
        for start in range(0, len(self.weights), codes):
            word = 0
            for code in reversed(self.weights[start : start + codes]):
                word = word << width | code
            packed.append(word)
        return packed

    def packed_words(self) -> bytes:
        """The memory of weights as bytes, as it is loaded: each word little-endian, in as many bytes as it needs."""
        size = -(-self.shape.weight_word // 8)
        return b"".join(word.to_bytes(size, "little") for word in self.words())

    def describe(self) -> dict[str, Any]:
        """It in plain values, as JSON has it; codes in hexadecimal digits, two each."""
        return {
            "fewbit_network": VERSION,
            "name": self.name,
            "shape": self.shape.describe(),
            "image": {
                **asdict(self.image),
                "activation_codes": self.image.activation_codes.hex(),
                "between_codes": self.image.between_codes.hex(),
            },
            "answer": asdict(self.answer),
            "activation_words": self.activation_words,
            "between_words": self.between_words,
            "records": [{"record": type(record).__name__.lower(), **asdict(record)} for record in self.records],
            "parameters": [list(parameter) for parameter in self.parameters],
            "tables": [table.hex() for table in self.tables],
            "table_formats": list(self.table_formats),
            "weights": self.weights.hex(),
        }

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that it is, by which a program and the hardware made for it know each other."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()

    def text(self) -> str:
        """It as JSON with its digest."""
        return json.dumps({**self.describe(), "digest": self.digest}) + "\n"

    def write(self, path: Path) -> None:
        """Write ``text``."""
        path.write_text(self.text())

    @classmethod
    def read(cls, path: Path) -> "Program":
        """What ``write`` wrote. Raises OSError, and ValueError where it is none or was changed."""
        try:
            content = json.loads(path.read_text())
            if not isinstance(content, dict):
                raise ValueError(f"it is a {type(content).__name__}")
            digest = content.pop("digest")
            program = cls.of(content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"program must be one that fewbit wrote, not {path}: {_reason(error)}") from None
        if program.digest != digest:
            raise ValueError(f"program must have the checksum that it was written with, {digest[:12]}, not {path}")
        return program

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Program":
        """The program that ``describe`` described. Raises KeyError, TypeError, ValueError."""
        if content["fewbit_network"] != VERSION:
            raise ValueError(f"it is of version {content['fewbit_network']}, not {VERSION}")
        shape: dict[str, Any] = dict(content["shape"])
        shape |= {name: parse(shape[name]) for name in ("weight", "activation", "between")}
        shape |= {"residual_shifts": tuple(shape["residual_shifts"]), "element": parse_element(shape["element"])}
        image = dict(content["image"])
        image |= {name: _made(View, image[name]) for name in ("activation", "between")}
        image |= {name: bytes.fromhex(image[name]) for name in ("activation_codes", "between_codes")}
        image |= {name: tuple(image[name]) for name in ("scales", "offsets")}
        answer = {**content["answer"], "scales": tuple(content["answer"]["scales"])}
        return cls(
            content["name"],
            NetworkShape(**shape),
            tuple(_record(record) for record in content["records"]),
            bytes.fromhex(content["weights"]),
            tuple(Parameter(*parameter) for parameter in content["parameters"]),
            Image(**image),
            Answer(**answer),
            content["activation_words"],
            content["between_words"],
            tuple(bytes.fromhex(table) for table in content["tables"]),
            tuple(content["table_formats"]),
        )


def _made(kind: Any, fields: Mapping[str, Any] | None) -> Any:
    return None if fields is None else kind(**fields)


def _record(content: Mapping[str, Any]) -> Record:
    fields = dict(content)
    kind = {"product": Product, "pool": Pool}[fields.pop("record")]
    fields["source"], fields["window"] = View(**fields["source"]), Window(**fields["window"])
    for name in ("activation", "between"):
        output = fields[name]
        fields[name] = None if output is None else Output(**{**output, "view": View(**output["view"])})
    residual = fields["residual"]
    fields["residual"] = None if residual is None else Residual(**{**residual, "view": View(**residual["view"])})
    made: Record = kind(**fields)
    return made


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
