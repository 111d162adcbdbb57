"""A request for a bitstream with a matmul engine through which the host computes a network that does not fit."""

from dataclasses import dataclass, field, fields, replace

from ...formats.network import Program
from ..host.layers import check_layers
from ..host.layers_speed import exact_depth, link_seconds
from .bitstream_request import Request
from .built_network import PROGRAM_SUFFIX
from .largest import default_tile_m

__all__ = ["LayersRequest"]


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
    def of(cls, request: Request, program: Program, *, shorten: bool) -> "LayersRequest":
        """The request for the network.

        ``shorten``: whether ``max_k`` becomes smaller if sums are exact then, and are not as it is
        """
        engine = request.engine
        depth = exact_depth(engine) if shorten else engine.max_k
        if 0 < depth < engine.max_k:
            tile_m = default_tile_m(request.board, engine.activation.width, engine.rows, depth)
            engine = replace(engine, max_k=depth, tile_m=tile_m)
        given = {each.name: getattr(request, each.name) for each in fields(request)}
        return cls(**{**given, "engine": engine, "program": program})

    @property
    def name(self) -> str:
        shape = f"{self.engine.rows}x{self.engine.columns}x{self.engine.lanes}"
        formats = f"{self.engine.weight}_{self.engine.activation}"
        return f"{self.board.name}_{self.program.name}_{formats}_{shape}_layers"

    def beside(self) -> dict[str, str]:
        return {PROGRAM_SUFFIX: self.program.text()}

    def images_a_second(self, baud: int) -> float:
        """The most images a second that a link of so many bits a second carries."""
        return 1 / link_seconds(self.engine, self.program, baud)
