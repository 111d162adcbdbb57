"""Options stand for a bitstream. They mean the same where it is built and where it is proven."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice, known
from ..common.console import say
from ..common.designs import choose_pairs, parse_integers
from ..common.engine_options import EngineOptions
from ..common.options import OneActivation, Seeds, Weight, builds
from ..common.options import board as board_option
from ..common.options import mhz as mhz_option
from ..common.options import recipe as recipe_option
from ..common.program_options import ProgramOptions

if TYPE_CHECKING:
    from ...boards.build.bitstream_request import BitstreamRequest, Request
    from ...boards.build.layers_request import LayersRequest
    from ...boards.build.network_request import NetworkRequest
    from ...boards.targets.board import Board
    from ...formats import Engine, Format

__all__ = ["DEFAULT_ARRAY", "SHOWN", "BitstreamOptions"]

DEFAULT_ARRAY = (2, 2, 1)
"""Rows, columns and lanes of the array if the largest was not searched for."""

SHOWN = {"rows": "the board's", "columns": "the board's", "max_k": "256 or 1024", "tile_m": "as RAM allows"}
"""The defaults of engines on boards, in the words of help."""


@dataclass(frozen=True)
class BitstreamOptions:
    """The options that say what is in a bitstream, besides those of its engine."""

    board: Annotated[str, board_option()]
    weight: Weight = None
    activation: OneActivation = None
    lanes: Annotated[
        int | None, typer.Option("--lanes", help="Products a cycle of each element.", show_default="the board's, or 1")
    ] = None
    dsp: Annotated[
        str | None,
        choice(known("none", "auto"), "--dsp", help="Use of the device's multipliers.", show_default="the board's"),
    ] = None
    pipeline: Annotated[
        int | None,
        typer.Option("--pipeline", help="Register stages, 1 to 3, on ECP5 up to 4.", show_default="the board's, or 2"),
    ] = None
    build: Annotated[
        str | None, choice(builds, "--build", help="How products are built.", show_default="the board's, or auto")
    ] = None
    mhz: Annotated[float | None, mhz_option("Highest clock to use.", shown="the highest that is met")] = None
    margin: Annotated[float, typer.Option("--margin", help="Share of Fmax that the clock stays below it.")] = 0.05
    baud: Annotated[
        int | None,
        typer.Option("--baud", help="Of the serial line.", show_default="the fastest that board and clock do"),
    ] = None
    pll: Annotated[bool, typer.Option("--pll/--no-pll", help="Without, the clock is the oscillator's.")] = True
    seeds: Seeds = "1,2,3"
    recipe: Annotated[str, recipe_option()] = "auto"

    def request(self, engine: EngineOptions, network: ProgramOptions) -> "BitstreamRequest":
        """The bitstream that is asked for. It has the board's array unless options name another. Raises ValueError.

        For a network that does not fit it has a matmul engine, through which the host computes the layers.
        """
        from ...boards.targets import find_board

        network.check(engine)
        found = find_board(self.board)
        common: dict[str, Any] = {
            "mhz": self.mhz,
            "margin": self.margin,
            "baud": self.baud,
            "pll": self.pll,
            "seeds": parse_integers("seeds", self.seeds),
            "recipe": self.recipe,
        }
        if network.given:
            from ...boards.build.network_request import NetworkRequest, buffer_for, usual_dsp

            dsp = self.dsp or usual_dsp(found)
            program = network.fitting(engine, self.weight, self.activation, self.lanes, found, dsp)
            made = NetworkRequest(found, program, dsp=dsp, buffer_bytes=buffer_for(program), **self.named, **common)
            layers = self.by_layers(made, engine, common) if made.lacks else None
            if layers is None:
                return made
            rate, link = layers.images_a_second(layers.first_baud), f"{layers.first_baud / 1e6:g} Mbaud"
            say(
                f"{program.name} does not fit {found.name}: {made.lacks}. The bitstream has a matmul engine instead, "
                f"through which the host computes it layer by layer: at most {rate:.2f} images a second at {link}"
            )
            return layers
        pairs = choose_pairs(self.weight, self.activation)
        if len(pairs) != 1:
            raise ValueError(f"weight and activation must be one format each for a bitstream, not {len(pairs)} pairs")
        return self._of_engine(engine, found, *pairs[0], common)

    def _of_engine(
        self, options: EngineOptions, board: "Board", weight: "Format", activation: "Format", common: dict[str, Any]
    ) -> "Request":
        from ...boards.build.bitstream_request import Request
        from ...boards.targets.board import KnownArray

        known = board.arrays.get((weight.name, activation.name), KnownArray(*DEFAULT_ARRAY))
        lanes = known.lanes if self.lanes is None else self.lanes
        made = _engine(options, board, weight, activation, known[:2], lanes)
        how: dict[str, Any] = {"pipeline": known.pipeline, "build": known.build} | self.named
        return Request(board, made, dsp=self.dsp or known.dsp, **how, **common)

    @property
    def named(self) -> dict[str, Any]:
        """Register stages and build of products, as far as they were named."""
        given = {"pipeline": self.pipeline, "build": self.build}
        return {name: value for name, value in given.items() if value is not None}

    def by_layers(
        self, network: "NetworkRequest", options: EngineOptions, common: dict[str, Any]
    ) -> "LayersRequest | None":
        """A matmul engine for a network that does not fit; None if no engine can do it.

        ``common``: fields of the request that all bitstreams have
        """
        from ...boards.build.layers_request import LayersRequest

        program, board = network.program, network.board
        made = self._of_engine(options, board, program.shape.weight, program.shape.activation, common)
        try:
            return LayersRequest.of(made, program)
        except ValueError:
            return None


def _engine(
    options: EngineOptions, board: "Board", weight: "Format", activation: "Format", sides: tuple[int, int], lanes: int
) -> "Engine":
    from ...boards.build.largest import default_max_k, default_tile_m

    rows = sides[0] if options.rows is None else options.rows
    columns = sides[1] if options.columns is None else options.columns
    max_k = default_max_k(board) if options.max_k is None else options.max_k
    given: dict[str, Any] = {"rows": rows, "columns": columns, "max_k": max_k}
    if options.tile_m is None and rows > 0 and max_k > 0:
        given["tile_m"] = default_tile_m(board, activation.width, rows, max_k)
    return replace(options.on_a_board(), **given).engine(weight, activation, lanes)
