"""Units whose ports are AXI4-Streams: their edges, and what their designs have in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from amaranth.hdl import Fragment, Shape
from amaranth.lib import data, wiring

from ..bus.axi_stream import axi_stream_in, axi_stream_out
from .design import Design

__all__ = ["STREAM_SIGNALS", "AxiUnit", "EdgeStream", "StreamDesign", "byte_layout"]

STREAM_SIGNALS = {
    "tdata": "data",
    "tvalid": "a beat is there",
    "tready": "the beat is taken",
    "tlast": "the last beat of a product",
}
"""What the signals of a stream are."""


def byte_layout(fields: Mapping[str, Any]) -> data.FlexibleLayout:
    """Shapes as a layout in which every field begins at a byte, in this order; whole bytes in all."""
    places = {}
    offset = 0
    for name, shape in fields.items():
        places[name] = data.Field(shape, offset)
        offset += -(-Shape.cast(shape).width // 8) * 8
    return data.FlexibleLayout(offset, places)


@dataclass(frozen=True)
class EdgeStream:
    """A stream among the ports of a unit.

    Parameters
    ----------
    name: what its ports' names begin with; ``s_`` where data comes in, ``m_`` where it goes out
    meaning: of a beat
    last: meaning of ``tlast``
    layout: of ``tdata``; bits between fields are 0 where it goes out, and mean nothing where it comes in
    """

    name: str
    meaning: str
    last: str
    layout: data.FlexibleLayout

    @property
    def members(self) -> dict[str, wiring.Member]:
        return (axi_stream_in if self.name.startswith("s_") else axi_stream_out)(self.name, self.layout.size)


class AxiUnit(wiring.Component):
    """A unit whose ports are streams, in ``streams``, and perhaps others."""

    def __init__(self, *streams: EdgeStream, members: Mapping[str, wiring.Member] = {}):  # not changed
        self.streams = streams
        super().__init__({name: member for each in streams for name, member in each.members.items()} | dict(members))

    def _beat(self, name: str) -> data.View:
        """The fields of a stream's beat."""
        (layout,) = (each.layout for each in self.streams if each.name == name)
        return data.View(layout, getattr(self, f"{name}_tdata"))


class StreamDesign(Design):
    """What designs of units with streams have in common; their components are ``AxiUnit``s."""

    @property
    def latency(self) -> int:
        return int(self.edge.latency)

    @property
    def edge(self) -> Any:
        """A component of the design to ask for its streams and its latency, and of no other use."""
        return _edge_of(self)

    def members(self) -> Mapping[str, wiring.Member]:
        return dict(self.edge.signature.members)

    def meaning(self, port: str) -> str:
        for stream in self.edge.streams:
            if port in stream.members:
                signal = port.rpartition("_")[2]
                return f"{stream.meaning}: {stream.last if signal == 'tlast' else STREAM_SIGNALS[signal]}"
        return self.meanings[port]

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), **self.describe_edge(), "streams": _describe_streams(self.edge.streams)}

    def describe_edge(self) -> dict[str, Any]:
        """What the description has beside the streams."""
        return {}


@lru_cache(maxsize=256)
def _edge_of(design: StreamDesign) -> wiring.Component:
    component = design.component()
    Fragment.get(component, None)  # or Amaranth warns that a component came to nothing
    return component


def _describe_streams(streams: Iterable[EdgeStream]) -> list[dict[str, Any]]:
    """Streams of a beat a word, with the fields of their data."""
    return [
        {
            "name": each.name,
            "meaning": each.meaning,
            "tlast": each.last,
            "word_bits": each.layout.size,
            "beat_bits": each.layout.size,
            "beats_a_word": 1,
            "fields": [
                {
                    "name": name,
                    "lsb": field.offset,
                    "width": Shape.cast(field.shape).width,
                    "signed": Shape.cast(field.shape).signed,
                }
                for name, field in each.layout
            ],
        }
        for each in streams
    ]
