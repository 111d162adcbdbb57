"""A unit with streams as its UNIT.json describes it: the fields of its beats, and what it computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats import Blocks, FixedPoint, Format, Overflow, Requantization, Rounding, read_format
from .golden import Array

__all__ = ["STREAM_UNITS", "StreamField", "StreamUnit", "read_blocks", "read_requantization"]

STREAM_UNITS = ("requantize", "dequantize", "block_dot", "unpack_trits", "unpack_fields")


def read_requantization(described: Mapping[str, Any]) -> Requantization:
    return Requantization(
        output=read_format(described["output"]),
        scale=described["scale"] and read_format(described["scale"]),
        tensor_scale=described["tensor_scale"] and read_format(described["tensor_scale"]),
        rounding=Rounding(described["rounding"]),
        overflow=Overflow(described["overflow"]),
        **{name: described[name] for name in ("bias_bits", "zero_point", "relu", "seed")},
    )


def read_blocks(described: Mapping[str, Any]) -> Blocks:
    scales = read_format(described["weight_scale"]), read_format(described["activation_scale"])
    return Blocks(described["size"], *scales, described["accumulate"], described.get("zero_points", False))


@dataclass(frozen=True)
class StreamField:
    """A field of a stream's data."""

    name: str
    lsb: int
    width: int
    signed: bool


@dataclass(frozen=True)
class StreamUnit:
    """The contract of one generated unit with streams.

    Members
    -------
    kind: one of ``STREAM_UNITS``
    module: name of the top module
    weight, activation: formats; of a unit with one, it is both
    latency: cycles
    lanes: of a ``dequantize`` and a ``block_dot``, bytes of those that unpack; else 1
    streams: the fields of each stream, by its name
    widths: bits of each stream's data
    description: all of UNIT.json
    """

    kind: str
    module: str
    weight: Format
    activation: Format
    latency: int
    lanes: int
    streams: Mapping[str, Sequence[StreamField]]
    widths: Mapping[str, int]
    description: Mapping[str, Any]

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> "StreamUnit":
        """Read a UNIT.json. Raises ValueError where it does not describe such a unit."""
        kind = description.get("unit")
        if kind not in STREAM_UNITS:
            raise ValueError(f"unit must be one of {', '.join(STREAM_UNITS)}, not {kind!r}")
        try:
            formats = [read_format(description[name]) for name in ("weight", "activation") if name in description]
            streams = {
                stream["name"]: [
                    StreamField(*(field[key] for key in ("name", "lsb", "width", "signed"))) for field in fields
                ]
                for stream in description["streams"]
                for fields in [stream["fields"]]
            }
            unit = cls(
                kind=kind,
                module=description["module"],
                weight=formats[0],
                activation=formats[-1],
                latency=description["latency"],
                lanes=description.get("lanes", 1),
                streams=streams,
                widths={stream["name"]: stream["beat_bits"] for stream in description["streams"]},
                description=description,
            )
            widths = {port["name"]: port["width"] for port in description["ports"]}
            # Both are read here to have what is missing told here.
            if "packing" not in description:
                _ = unit.requantization if kind != "block_dot" else unit.blocks
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"description of {kind} must have every key of UNIT.json, {error} is missing") from None
        for name, width in unit.widths.items():
            if widths.get(f"{name}_tdata") != width:
                raise ValueError(f"{name}_tdata must have {width} bits, not {widths.get(f'{name}_tdata')}")
        return unit

    @property
    def requantization(self) -> Requantization:
        return read_requantization(self.description["requantization"])

    @property
    def blocks(self) -> Blocks:
        return read_blocks(self.description["blocks"])

    @property
    def block_size(self) -> int:
        """Of a ``dequantize``."""
        return int(self.description["block_size"])

    @property
    def terms(self) -> int:
        """Of a ``block_dot``."""
        return int(self.description["terms"])

    @property
    def accumulator(self) -> FixedPoint:
        """Of a ``requantize``."""
        form = self.description["accumulator"]
        return FixedPoint(form["width"], form["signed"], form["lsb_exponent"], tuple(form["specials"]))

    def beats(
        self, stream: str, values: Mapping[str, Array], generator: np.random.Generator | None = None
    ) -> list[int]:
        """The data of beats with these fields, each an array of integers; what is not of any field is random, or 0
        without a generator."""
        fields = self.streams[stream]
        if {field.name for field in fields} != set(values):
            raise ValueError(f"{stream} must have the fields {', '.join(values)}, not {[f.name for f in fields]}")
        count = len(next(iter(values.values())))
        width = self.widths[stream]
        filling = [0] * count
        if generator is not None:
            size = width // 8
            noise = generator.bytes(size * count)
            filling = [int.from_bytes(noise[k * size :][:size], "little") for k in range(count)]
        free = (1 << width) - 1
        for field in fields:
            free &= ~(((1 << field.width) - 1) << field.lsb)
        beats = [noise & free for noise in filling]
        for field in fields:
            mask = (1 << field.width) - 1
            column = values[field.name].tolist()
            beats = [beat | (value & mask) << field.lsb for beat, value in zip(beats, column, strict=True)]
        return beats
