"""Which frames a board takes depends on what it computes: a matmul engine, or a network."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...formats import Engine
from .network import BoardNetwork
from .protocol import STREAM_KINDS, Kind

__all__ = ["Traffic"]


@dataclass(frozen=True)
class Traffic:
    """The frames that a board takes besides RESET and DESCRIBE.

    Parameters
    ----------
    streams: the kind of frame that carries each input stream, by the stream's name
    fields: the parameters in the payload of a PRODUCT, in order: the name of each, and its number of bits; empty if the
        board knows no PRODUCT
    """

    streams: Mapping[str, Kind]
    fields: Mapping[str, int]

    @classmethod
    def of(cls, computes: Engine | BoardNetwork) -> "Traffic":
        """The frames for an engine or a network."""
        if isinstance(computes, BoardNetwork):
            return cls({"weights": Kind.WEIGHTS, "image": Kind.IMAGE} if computes.loads else {"image": Kind.IMAGE}, {})
        streams = {name: STREAM_KINDS[name] for name in computes.stream_bits if name != "c"}
        return cls(streams, {"m": 16, "n": 16, "k": 16} | computes.tensor_fields)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of bytes of each of ``fields``."""
        return {name: -(-bits // 8) for name, bits in self.fields.items()}
