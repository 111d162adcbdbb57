"""The ports of an AXI4-Stream at the edge of a unit, which are members with the names that AXI gives them."""

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["axi_stream_in", "axi_stream_out", "connect_in", "connect_out"]


def axi_stream_in(name: str, bits: int) -> dict[str, wiring.Member]:
    """The members of a stream that comes in, ``bits`` (a multiple of 8) of data a beat."""
    return {
        f"{name}_tdata": In(bits),
        f"{name}_tvalid": In(1),
        f"{name}_tready": Out(1),
        f"{name}_tlast": In(1),
    }


def axi_stream_out(name: str, bits: int) -> dict[str, wiring.Member]:
    """The members of a stream that goes out, ``bits`` (a multiple of 8) of data a beat."""
    return {
        f"{name}_tdata": Out(bits),
        f"{name}_tvalid": Out(1),
        f"{name}_tready": In(1),
        f"{name}_tlast": Out(1),
    }


def connect_in(m: Module, unit: wiring.Component, name: str, inner: stream.Interface) -> None:
    """Connect the ports to a stream inside, which has the same data. ``tlast`` is not looked at."""
    data: Value = getattr(unit, f"{name}_tdata")
    m.d.comb += [
        Value.cast(inner.payload).eq(data),
        inner.valid.eq(getattr(unit, f"{name}_tvalid")),
        getattr(unit, f"{name}_tready").eq(inner.ready),
    ]


def connect_out(m: Module, unit: wiring.Component, name: str, inner: stream.Interface, last: Value) -> None:
    """Connect a stream inside to the ports. Bits past its data are 0."""
    m.d.comb += [
        getattr(unit, f"{name}_tdata").eq(Cat(Value.cast(inner.payload.data), Const(0, 1))),
        getattr(unit, f"{name}_tvalid").eq(inner.valid),
        getattr(unit, f"{name}_tlast").eq(last),
        inner.ready.eq(getattr(unit, f"{name}_tready")),
    ]
