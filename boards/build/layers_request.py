"""A request for a bitstream with a matmul engine through which the host computes a network that does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

from ...formats import MAX_SIZE, Engine
from ...formats.network import Program
from ...synth.room import block_rams
from ..host.layers import check_layers
from ..host.layers_speed import Size, exact_depth, layer_sizes, link_seconds
from ..host.tiles import depth_refusal
from .bitstream_request import Request, array_name
from .built_network import PROGRAM_SUFFIX

__all__ = ["LayersRequest"]

MOST_ROWS = 64
"""Most rows of A in a panel that is chosen."""


@dataclass(frozen=True)
class LayersRequest(Request):
    """A bitstream with a matmul engine, which is to compute the layers of a network one after the other.

    Raises ValueError if the engine does not give exact sums.

    Parameters
    ----------
    program: the network
    """

    program: Program = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_layers(self.engine, self.program)

    @classmethod
    def of(cls, request: Request, program: Program) -> "LayersRequest":
        """The request for the network, with the ``max_k`` and ``tile_m`` that the link takes the least time with.

        They take no more block RAM than those of the request.
        """
        sizes, baud = layer_sizes(program), request.board.link.top_baud
        engine = min(_panels(request, sizes), key=lambda each: link_seconds(each, sizes, baud), default=request.engine)
        given = {each.name: getattr(request, each.name) for each in fields(request)}
        return cls(**{**given, "engine": engine, "program": program})

    @property
    def name(self) -> str:
        formats = f"{self.engine.weight}_{self.engine.activation}"
        return f"{self.board.name}_{self.program.name}_{formats}_{array_name(self.engine)}_layers"

    def beside(self) -> dict[str, str]:
        return {PROGRAM_SUFFIX: self.program.text()}

    @property
    def first_baud(self) -> int:
        """Bits a second of the link, as far as that is known before place and route."""
        return self.description(round(self.settings(self.board.part.first_mhz * 1e6).hz)).baud

    def images_a_second(self, baud: int) -> float:
        """The most images a second that a link of so many bits a second carries."""
        return 1 / link_seconds(self.engine, layer_sizes(self.program), baud)


def _panels(request: Request, sizes: list[Size]) -> Iterator[Engine]:
    """The request's engine with panels of other sizes, where its sums are exact."""
    engine, target = request.engine, request.board.part.target
    most = block_rams(engine, target)
    for max_k in sorted({exact_depth(engine), *(min(k, MAX_SIZE) for _, k, _ in sizes)} - {0}):
        for tile_m in range(engine.rows, max(MOST_ROWS, engine.tile_m) + 1, engine.rows):
            found = replace(engine, max_k=max_k, tile_m=tile_m)
            taken = block_rams(found, target)
            if not depth_refusal(found) and (taken is None or most is None or taken <= most):
                yield found
