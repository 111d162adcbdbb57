"""A request for a bitstream says for which board it is, what computes on it, and how it is built."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any

from ... import __version__
from ...formats import Engine
from ...formats.network import NetworkShape
from ...hdl import MatmulDesign, multiplications
from ...hdl.emit import to_rtlil
from ...hdl.products.build import CHAINED_PIPELINE
from ...synth.flow import DSP_POLICIES, Flow
from ...synth.recipes import NAMED
from ...synth.room import check_room
from ..families import fastest
from ..gateware.network_link import NetworkHardware
from ..gateware.pinned import Pinned
from ..gateware.pll import Settings
from ..gateware.top import BoardTop, relax_memories
from ..link.description import Description
from ..link.network import BoardNetwork
from ..targets.board import BAUDS, Board

__all__ = ["CYCLES_A_BIT", "MARGIN", "SEEDS", "BitstreamRequest", "Request", "array_name"]

MARGIN = 0.05
"""The share of Fmax by which the clock stays below it."""

SEEDS = (1, 2, 3)
"""Seeds of place and route. The next one is tried if one fails or is too slow."""

CYCLES_A_BIT = 6
"""Fewest clock cycles in a bit of the serial line. The UART needs two fewer."""


@dataclass(frozen=True)
class BitstreamRequest(ABC):
    """A bitstream that is wanted; a subclass says what computes. Raises ValueError.

    Parameters
    ----------
    board: the board that it is for
    dsp: ``none``, or ``auto``: as many elements as the device has multipliers for use them, and the others are in logic
    mhz: the highest clock that is wanted; None stands for the highest that the device reaches
    margin: the share of Fmax by which the clock stays below it, 0 to 0.5
    baud: bits a second of the link, one of ``BAUDS``; None stands for the fastest that the chip and the clock allow
    seeds: the seeds of place and route
    recipe: the name of the recipe of synthesis; ``auto`` takes the smallest result
    pll: whether a PLL may be used; without one, the clock is the oscillator's
    buffer_bytes: see ``Description``

    Attributes
    ----------
    design: of what computes
    computes: what the board says of that
    name: the name of the files unless another is given
    """

    board: Board
    _: KW_ONLY
    dsp: str = "none"
    mhz: float | None = None
    margin: float = MARGIN
    baud: int | None = None
    seeds: tuple[int, ...] = SEEDS
    recipe: str = "auto"
    pll: bool = True
    buffer_bytes: int = 2048

    def __post_init__(self) -> None:
        known = ("auto", *NAMED)
        if self.recipe not in known:
            raise ValueError(f"recipe must be one of {', '.join(known)}, not {self.recipe!r}")
        if self.dsp not in DSP_POLICIES:
            raise ValueError(f"dsp must be {' or '.join(DSP_POLICIES)}, not {self.dsp!r}")
        if not 0 <= self.margin <= 0.5:
            raise ValueError(f"margin must be 0 to 0.5, not {self.margin!r}")
        if self.mhz is not None and self.mhz <= 0:
            raise ValueError(f"mhz must be above 0, not {self.mhz!r}")
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError(f"seeds must be one or more integers, 0 or above, not {self.seeds!r}")
        top = self.board.link.top_baud
        if self.baud is not None and (self.baud not in BAUDS or self.baud > top):
            there = ", ".join(str(baud) for baud in BAUDS if baud <= top)
            raise ValueError(f"baud must be one of {there} on {self.board.name}, not {self.baud!r}")
        if self.mhz is not None:
            self.settings(self.mhz * 1e6)
        _ = self.design

    @property
    @abstractmethod
    def design(self) -> MatmulDesign | NetworkHardware: ...

    @property
    @abstractmethod
    def computes(self) -> Engine | BoardNetwork: ...

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def check_room(self) -> None:
        """Raise ValueError if the memories need more RAM than the device has. The message says what would do."""

    def hardware(self) -> dict[str, Any]:
        """What the JSON says of the design besides the description."""
        return {}

    def beside(self) -> dict[str, str]:
        """More files that belong to the bitstream: their texts, by what comes behind the name."""
        return {}

    @property
    def flow(self) -> Flow:
        return Flow(self.board.part.target, self.dsp, dense=True)

    def settings(self, wanted_hz: float) -> Settings:
        """The settings of the PLL for the highest clock up to ``wanted_hz``. Raises ValueError."""
        return fastest(self.board.part.pll if self.pll else "none", self.board.oscillator_hz, wanted_hz)

    def description(self, clock_hz: int) -> Description:
        """What a board with that clock says of itself. Raises ValueError if the clock is too slow for the link."""
        baud = self._baud(clock_hz)
        return Description(self.board.name, self.computes, clock_hz, baud, self.buffer_bytes, __version__)

    def _baud(self, clock_hz: int) -> int:
        wanted = BAUDS if self.baud is None else (self.baud,)
        found = [baud for baud in wanted if baud <= self.board.link.top_baud and clock_hz >= CYCLES_A_BIT * baud]
        if not found:
            raise ValueError(f"baud must be at most 1/{CYCLES_A_BIT} of the clock's {clock_hz} Hz, not {wanted[-1]}")
        return max(found)

    def rtlil(self, settings: Settings) -> str:
        """RTLIL of the whole FPGA. Its module is ``top``, and its ports are those of ``board.pins``."""
        inner = BoardTop(self.description(round(settings.hz)), self.design)
        return relax_memories(to_rtlil(Pinned(self.board, inner, settings), "top"))


def array_name(shape: Engine | NetworkShape) -> str:
    """An array in the names of files: rows, columns and lanes, and outputs if there are several."""
    sides = [shape.rows, shape.columns, shape.lanes, *([shape.outputs] if shape.outputs > 1 else [])]
    return "x".join(map(str, sides))


@dataclass(frozen=True)
class Request(BitstreamRequest):
    """A bitstream with a matmul engine.

    Parameters
    ----------
    engine: the engine on it, whose ``control`` and ``bus_bits`` have no meaning here
    pipeline: register stages of the engine, see ``MatmulDesign``
    build: how products are built, see ``MatmulDesign``
    """

    engine: Engine
    pipeline: int = 2
    build: str = "auto"

    def __post_init__(self) -> None:
        # the engine is behind the link here, not behind buses
        object.__setattr__(self, "engine", replace(self.engine, bus_bits=None, control="axi_lite"))
        if self.pipeline not in range(1, CHAINED_PIPELINE + 1):
            raise ValueError(f"pipeline must be 1 to {CHAINED_PIPELINE}, not {self.pipeline!r}")
        super().__post_init__()

    @property
    def computes(self) -> Engine:
        return self.engine

    @property
    def name(self) -> str:
        return f"{self.board.name}_{self.engine.weight}_{self.engine.activation}_{array_name(self.engine)}"

    def check_room(self) -> None:
        check_room(self.engine, self.board.part.target, name=self.board.name)

    @cached_property
    def design(self) -> MatmulDesign:
        dsp = self.dsp == "auto" and self.engine.output_stationary
        return MatmulDesign(
            self.engine,
            pipeline=self.pipeline,
            build=self.build,
            dsp=dsp,
            family=self.board.part.target.family.name,
            dsp_elements=min(self.most_dsp_elements, self.engine.rows * self.engine.columns) if dsp else None,
        )

    @property
    def most_dsp_elements(self) -> int:
        """How many elements the device has multipliers for; 0 where an element would use none."""
        engine, target = self.engine, self.board.part.target
        assert target.device.capacity is not None
        each = multiplications(engine.arithmetic, engine.lanes, target.family.name)
        return target.device.capacity.dsps // each if each else 0
