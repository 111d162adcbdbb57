"""The description of a board: all that a host must know to compute with it. The bitstream has it in a ROM."""

import json
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from ...formats import Blocks, Element, Engine, Format, Overflow, Requantization, Rounding, parse, parse_element
from .network import BoardNetwork

__all__ = ["MAX_DESCRIPTION", "Description"]

MAX_DESCRIPTION = 510
"""Most bytes of the text, which shares a block RAM of 512 bytes with its length."""

_KINDS: dict[str, Any] = {
    "requantization": Requantization,
    "blocks": Blocks,
    "rounding": Rounding,
    "overflow": Overflow,
}


@dataclass(frozen=True)
class Description:
    """Describes what a board computes, a matmul engine or a network, and the link to it.

    Parameters
    ----------
    board: the board's name in the list of boards, or ``sim``
    computes: the network; or the engine, whose ``control`` and ``bus_bits`` have no meaning here
    clock_hz: frequency of the one clock on the board
    baud: bits a second of the serial line
    buffer_bytes: room for frames that were received and not yet consumed, a power of two
    version: the version of fewbit that made it
    """

    board: str
    computes: Engine | BoardNetwork
    clock_hz: int
    baud: int
    buffer_bytes: int = 2048
    version: str = ""

    def __post_init__(self) -> None:
        if self.buffer_bytes < 512 or self.buffer_bytes & (self.buffer_bytes - 1):
            raise ValueError(f"buffer_bytes must be a power of two and at least 512, not {self.buffer_bytes!r}")
        for name in ("clock_hz", "baud"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)!r}")

    @property
    def engine(self) -> Engine:
        """The matmul engine. Raises ValueError if the board computes a network."""
        if isinstance(self.computes, BoardNetwork):
            raise ValueError(f"board must have a matmul engine, not the network {self.computes.name}")
        return self.computes

    @property
    def network(self) -> BoardNetwork:
        """The network. Raises ValueError if the board has a matmul engine."""
        if isinstance(self.computes, Engine):
            raise ValueError(f"board must have a network, not a matmul engine of {self.formats}")
        return self.computes

    @property
    def formats(self) -> str:
        """The formats of weights and activations, in the words of messages."""
        return f"{self.computes.weight} x {self.computes.activation}"

    def text(self) -> str:
        """The description as JSON in ASCII, without spaces and without the fields that have their default.

        Raises ValueError if it is longer than ``MAX_DESCRIPTION``.
        """
        content = _plain(self)
        kind = "network" if isinstance(self.computes, BoardNetwork) else "engine"
        content = {kind if name == "computes" else name: value for name, value in content.items()}
        text = json.dumps(content, separators=(",", ":"))
        if len(text) > MAX_DESCRIPTION:
            raise ValueError(f"description must be at most {MAX_DESCRIPTION} bytes, not {len(text)}: {text}")
        return text

    @classmethod
    def of(cls, text: str) -> "Description":
        """The description that has this text. Raises ValueError."""
        try:
            given = json.loads(text)
            network = given.pop("network", None)
            computes = _made(Engine, given.pop("engine")) if network is None else BoardNetwork.read(network)
            return cls(computes=computes, **given)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"description must be one of fewbit {cls.__name__}, not {text!r}: {error}") from None

    @classmethod
    def read(cls, path: str | Path) -> "Description":
        """The description in the JSON file that was written beside a bitstream. Raises OSError, ValueError."""
        try:
            found = json.loads(Path(path).read_text())["description"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError(f"{path} has no description: it is no JSON file of a bitstream") from None
        return cls.of(json.dumps(found))


def _plain(value: Any) -> Any:
    """A value in the form in which JSON can hold it."""
    if isinstance(value, BoardNetwork):
        return value.describe()
    if isinstance(value, Format):
        return value.name
    if isinstance(value, Element):
        return value.text
    if isinstance(value, Enum):
        return value.value
    if not hasattr(value, "__dataclass_fields__"):
        return value
    pairs = {field.name: (getattr(value, field.name), field.default) for field in fields(value)}
    return {name: _plain(found) for name, (found, default) in pairs.items() if default is MISSING or found != default}


def _made(kind: Any, given: Any) -> Any:
    """The dataclass with these fields, in which names and dictionaries stand for formats, policies and dataclasses."""
    formats = {"weight", "activation", "output", "scale", "tensor_scale", "weight_scale", "activation_scale"}
    found = {}
    for name, value in given.items():
        if name in formats and value is not None:
            value = parse(value)
        elif name == "element":
            value = parse_element(value)
        elif name in ("rounding", "overflow"):
            value = _KINDS[name](value)
        elif name in ("requantization", "blocks") and value is not None:
            value = _made(_KINDS[name], value)
        found[name] = value
    return kind(**found)
