"""The ports of an AXI4 master at the edge of a unit, which are members with the names that AXI gives them."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MAX_BEATS", "PAGE", "axi4_master", "tie_constants"]

PAGE = 4096
"""Bytes, aligned to as many, that no burst leaves."""

MAX_BEATS = 256
"""Most beats of a burst."""

CACHE = 0b0011
"""Normal memory that may be buffered and is not cached."""

INCREMENT = 0b01


def axi4_master(name: str, data_bits: int, address_bits: int) -> dict[str, wiring.Member]:
    """The members of an AXI4 master that reads and writes, all bursts with increasing addresses and one ID."""
    address = {"addr": address_bits, "len": 8, "size": 3, "burst": 2, "cache": 4, "prot": 3, "id": 1}
    members: dict[str, wiring.Member] = {}
    for channel in ("aw", "ar"):
        members |= {f"{name}_{channel}{signal}": Out(bits) for signal, bits in address.items()}
        members |= {f"{name}_{channel}valid": Out(1), f"{name}_{channel}ready": In(1)}
    return {
        **members,
        f"{name}_wdata": Out(data_bits),
        f"{name}_wstrb": Out(data_bits // 8),
        f"{name}_wlast": Out(1),
        f"{name}_wvalid": Out(1),
        f"{name}_wready": In(1),
        f"{name}_bid": In(1),
        f"{name}_bresp": In(2),
        f"{name}_bvalid": In(1),
        f"{name}_bready": Out(1),
        f"{name}_rid": In(1),
        f"{name}_rdata": In(data_bits),
        f"{name}_rresp": In(2),
        f"{name}_rlast": In(1),
        f"{name}_rvalid": In(1),
        f"{name}_rready": Out(1),
    }


def tie_constants(m: Module, unit: wiring.Component, name: str, data_bits: int) -> None:
    """Drive what is the same for every burst: whole beats, increasing addresses, ID 0, plain data accesses."""
    for channel in ("aw", "ar"):
        for signal, value in {
            "size": (data_bits // 8).bit_length() - 1,
            "burst": INCREMENT,
            "cache": CACHE,
            "prot": 0,
            "id": 0,
        }.items():
            m.d.comb += getattr(unit, f"{name}_{channel}{signal}").eq(value)
