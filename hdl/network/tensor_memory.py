"""A memory of tensors: block RAM that reads and writes in a cycle, or a large one that does either."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..memories import UNRELATED

__all__ = ["PORTS", "TensorMemory", "single_port_memory"]

PORTS = ("dual", "single", "spram")
"""What a memory can do: ``dual`` reads and writes in a cycle, ``single`` does either. ``spram`` does either as well,
and is made of instances of iCE40 UltraPlus's memory of 16,384 words of 16 bits."""

SPRAM_BITS = 16
SPRAM_WORDS = 1 << 14


class TensorMemory(wiring.Component):
    """Words that are written by one side and read by several.

    What is read stands at ``data`` in the next cycle, and stays until something else is read; with one port it means
    nothing after a cycle that writes.

    Parameters
    ----------
    width: bits of a word
    depth: words
    ports: one of ``PORTS``
    reads: words that can be read in a cycle; 1 with one port
    parts: parts of a word that are written or not; 1 with one port

    Members
    -------
    read: In(1), address: In.array(reads), data: Out(width).array(reads)
    write: In(1), parts: In(parts), write_address: In, write_data: In(width)
    """

    def __init__(self, width: int, depth: int, ports: str = "dual", reads: int = 1, parts: int = 1):
        if ports not in PORTS:
            raise ValueError(f"ports must be one of {', '.join(PORTS)}, not {ports!r}")
        if ports != "dual" and (reads, parts) != (1, 1):
            raise ValueError(f"ports must be dual where a memory is read {reads} times and written in {parts} parts")
        self.width = width
        self.depth = depth
        self.ports = ports
        self.reads = reads
        self.parts = parts
        self.address_bits = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "read": In(1),
                "address": In(self.address_bits).array(reads),
                "data": Out(width).array(reads),
                "write": In(1),
                "enables": In(parts),
                "write_address": In(self.address_bits),
                "write_data": In(width),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.ports != "dual":
            address = Mux(self.write, self.write_address, self.address[0])
            found = single_port_memory(
                m, "memory", self.ports, self.depth, self.read | self.write, self.write, address, self.write_data
            )
            m.d.comb += self.data[0].eq(found)
            return m
        # A copy for each side that reads: it is so many block RAMs in any case.
        for copy in range(self.reads):
            store = memory.Memory(shape=self.width, depth=max(2, self.depth), init=[], attrs=UNRELATED)
            m.submodules[f"copy{copy}"] = store
            read = store.read_port()
            write = store.write_port(granularity=self.width // self.parts if self.parts > 1 else None)
            enables = self.write.replicate(self.parts) & (self.enables if self.parts > 1 else Const(1, 1))
            m.d.comb += [
                read.en.eq(self.read),
                read.addr.eq(self.address[copy]),
                self.data[copy].eq(read.data),
                write.en.eq(enables),
                write.addr.eq(self.write_address),
                write.data.eq(self.write_data),
            ]
        return m


def single_port_memory(
    m: Module, name: str, ports: str, depth: int, enable: Value, write: Value, address: Value, written: Value
) -> Value:
    """A memory that reads or writes a word in a cycle with ``enable``; the result is the word of the cycle before."""
    if ports == "single":
        bits = max(1, (depth - 1).bit_length())
        m.submodules[name] = store = memory.Memory(shape=len(written), depth=1 << bits, init=[], attrs=UNRELATED)
        read_port, write_port = store.read_port(), store.write_port()
        m.d.comb += [
            read_port.en.eq(enable & ~write),
            read_port.addr.eq(address),
            write_port.en.eq(enable & write),
            write_port.addr.eq(address),
            write_port.data.eq(written),
        ]
        return read_port.data
    banks = -(-depth // SPRAM_WORDS)
    bank_bits = (banks - 1).bit_length()
    low = Signal(14, name=f"{name}_low")
    m.d.comb += low.eq(address)
    high = address[14 : 14 + bank_bits]
    chosen = Signal(max(1, bank_bits), name=f"{name}_bank")
    if bank_bits:
        with m.If(enable):
            m.d.sync += chosen.eq(high)
    words = []
    for bank in range(banks):
        here = enable & (high == bank) if bank_bits else enable
        parts = []
        for start in range(0, len(written), SPRAM_BITS):
            part = written[start : start + SPRAM_BITS]
            given, found = (Signal(SPRAM_BITS, name=f"{name}{bank}_{start}_{side}") for side in ("in", "out"))
            m.d.comb += given.eq(part)
            m.submodules[f"{name}{bank}_{start}"] = Instance(
                "SB_SPRAM256KA",
                i_DATAIN=given,
                i_ADDRESS=low,
                i_MASKWREN=Const(0xF, 4),
                i_WREN=write,
                i_CHIPSELECT=here,
                i_CLOCK=ClockSignal(),
                i_STANDBY=Const(0, 1),
                i_SLEEP=Const(0, 1),
                i_POWEROFF=Const(1, 1),
                o_DATAOUT=found,
            )
            parts.append(found[: len(part)])
        words.append(Cat(*parts))
    if banks == 1:
        return words[0]
    found = Signal(len(written), name=f"{name}_word")
    with m.Switch(chosen):
        for bank, word in enumerate(words):
            with m.Case(bank):
                m.d.comb += found.eq(word)
    return found
