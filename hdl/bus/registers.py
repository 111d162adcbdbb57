"""Registers are described as data, from which come the block that holds them, a map for programs, and a C header."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ACCESSES", "Field", "Register", "RegisterBlock", "bus_signature", "c_header", "register_map"]

WORD_BITS = 32
WORD_BYTES = WORD_BITS // 8
MAX_ADDRESS_BITS = 32

ACCESSES = {
    "rw": "read and write",
    "ro": "read only",
    "wo": "write only, reads 0",
    "pulse": "write 1 to trigger, reads 0",
    "w1c": "set by hardware, write 1 to clear",
}
"""What software may do with a field."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Field:
    """Some bits of a register. Raises ValueError where there can be no such field.

    Parameters
    ----------
    name: lower case; the member of ``RegisterBlock`` is called so, hence unique among all registers
    lsb: place of its lowest bit in the register
    width: bits
    access: a key of ``ACCESSES``
    reset: value after reset; 0 for ``ro`` and ``pulse``
    meaning: one line for people
    """

    name: str
    lsb: int = 0
    width: int = 1
    access: str = "rw"
    reset: int = 0
    meaning: str = ""

    def __post_init__(self) -> None:
        _check_name("name of a field", self.name)
        _check_meaning(self.name, self.meaning)
        if self.access not in ACCESSES:
            raise ValueError(f"access of {self.name} must be one of {', '.join(ACCESSES)}, not {self.access!r}")
        if not (isinstance(self.width, int) and 1 <= self.width <= WORD_BITS):
            raise ValueError(f"width of {self.name} must be 1 to {WORD_BITS}, not {self.width!r}")
        if not (isinstance(self.lsb, int) and 0 <= self.lsb <= WORD_BITS - self.width):
            raise ValueError(f"lsb of {self.name} must be 0 to {WORD_BITS - self.width}, not {self.lsb!r}")
        most = 0 if self.access in ("ro", "pulse") else (1 << self.width) - 1
        if not (isinstance(self.reset, int) and 0 <= self.reset <= most):
            raise ValueError(f"reset of {self.name} must be 0 to {most} for access {self.access!r}, not {self.reset!r}")

    @property
    def mask(self) -> int:
        """The field's bits in the register's word."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """One 32-bit word. Raises ValueError where there can be no such register.

    Without ``fields`` it is a single field from bit 0 that has the register's own name.

    Parameters
    ----------
    name: lower case, unique
    offset: address in bytes, a multiple of 4
    access, width, reset: of the single field; they say nothing where ``fields`` are given
    meaning: one line for people
    fields: the parts of a register that has several, lowest bits first
    """

    name: str
    offset: int
    access: str = "rw"
    width: int = WORD_BITS
    reset: int = 0
    meaning: str = ""
    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        _check_name("name of a register", self.name)
        _check_meaning(self.name, self.meaning)
        if not (isinstance(self.offset, int) and 0 <= self.offset < 1 << MAX_ADDRESS_BITS):
            raise ValueError(f"offset of {self.name} must be 0 or more, not {self.offset!r}")
        if self.offset % WORD_BYTES:
            raise ValueError(f"offset of {self.name} must be a multiple of {WORD_BYTES}, not {self.offset!r}")
        if self.fields and (self.access, self.width, self.reset) != ("rw", WORD_BITS, 0):
            raise ValueError(f"access, width and reset of {self.name} must be given in its fields alone")
        end = 0
        for field in self.parts:
            if field.lsb < end:
                raise ValueError(f"lsb of {field.name} must be {end} or more, past the field before, not {field.lsb}")
            end = field.lsb + field.width

    @property
    def parts(self) -> tuple[Field, ...]:
        """The fields of the register. One that was made without any is a single field itself."""
        return self.fields or (Field(self.name, 0, self.width, self.access, self.reset, self.meaning),)


def bus_signature(address_bits: int) -> wiring.Signature:
    """The interface between a bus adapter and a ``RegisterBlock``, as the adapter sees it. It has no wait states.

    Parameters
    ----------
    address_bits: of the byte address, 3 to 32; ``address`` has two less

    Members
    -------
    address: Out, in words; means nothing without ``read`` or ``write``
    read, write: Out(1), the access happens in this cycle; never both
    write_data, strobes: Out(32), Out(4), the word and which of its bytes are written
    read_data: In(32), the word at ``address``, in the same cycle
    error: In(1), no register is at ``address``, in the same cycle
    """
    if not (isinstance(address_bits, int) and 3 <= address_bits <= MAX_ADDRESS_BITS):
        raise ValueError(f"address_bits must be 3 to {MAX_ADDRESS_BITS}, not {address_bits!r}")
    return wiring.Signature(
        {
            "address": Out(address_bits - 2),
            "read": Out(1),
            "write": Out(1),
            "write_data": Out(WORD_BITS),
            "strobes": Out(WORD_BYTES),
            "read_data": In(WORD_BITS),
            "error": In(1),
        }
    )


class RegisterBlock(wiring.Component):
    """It holds the registers of a unit, which a bus reads and writes.

    A write is seen at the outputs in the next cycle: an ``rw`` field holds its new value from then on, a ``pulse``
    field is up for that cycle alone. Reads are combinational. Bytes that are not strobed keep their value; writes to
    an ``ro`` field and to bits without a field do nothing. An address without a register reads 0 and is answered
    with ``error``. A ``w1c`` bit that is set and cleared at once stays set, so that no event is lost.
    Reset gives every field its reset value.

    Parameters
    ----------
    registers: offsets, register names and field names each unique
    address_bits: of the byte address; None is as few as reach all registers

    Members
    -------
    bus: In(bus_signature(address_bits))
    <field>: Out(width) for ``rw``, ``wo`` and ``pulse``; In(width) for ``ro``, its value, and for ``w1c``, a bit high
        sets its bit
    <field>_sticky: Out(width), for ``w1c``: what software reads, as for an interrupt line
    """

    def __init__(self, registers: Iterable[Register], address_bits: int | None = None):
        registers = tuple(registers)
        _check_registers(registers)
        needed = max(3, max(register.offset + WORD_BYTES - 1 for register in registers).bit_length())
        if address_bits is None:
            address_bits = needed
        bus = bus_signature(address_bits)
        if address_bits < needed:
            raise ValueError(f"address_bits must be {needed} or more for these registers, not {address_bits}")
        self.registers = registers
        self.address_bits = address_bits
        members = {"bus": In(bus)}
        for register in registers:
            for field in register.parts:
                inward = field.access in ("ro", "w1c")
                init = {} if inward else {"init": field.reset}
                for name, flow in _members(field).items():
                    members[name] = flow(unsigned(field.width), **init)
                    init = {"init": field.reset}
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = Cat(strobe.replicate(8) for strobe in self.bus.strobes)
        words: list[Value] = []
        found: list[Value] = []
        for register in self.registers:
            here = Signal(name=f"at_{register.name}")
            m.d.comb += here.eq(self.bus.address == register.offset // WORD_BYTES)
            found.append(here)
            words.append(Mux(here, self._word(register), 0))
            for field in register.parts:
                self._write(m, field, self.bus.write & here, lanes[field.lsb :][: field.width])
        m.d.comb += [self.bus.error.eq(~Cat(found).any()), self.bus.read_data.eq(reduce(or_, words))]
        return m

    def _word(self, register: Register) -> Value:
        """The word that a read of the register gives."""
        bits: list[Value] = []
        end = 0
        for field in register.parts:
            bits.append(Const(0, field.lsb - end))
            end = field.lsb + field.width
            if field.access in ("wo", "pulse"):
                bits.append(Const(0, field.width))
            else:
                bits.append(getattr(self, f"{field.name}_sticky" if field.access == "w1c" else field.name))
        return Cat(bits)

    def _write(self, m: Module, field: Field, selected: Value, lanes: Value) -> None:
        member = getattr(self, field.name)
        written = self.bus.write_data[field.lsb :][: field.width]
        if field.access in ("rw", "wo"):
            # Byte by byte: an enable of flip-flops takes no logic before them.
            for byte in range(field.lsb // 8, -(-(field.lsb + field.width) // 8)):
                low, high = max(8 * byte - field.lsb, 0), min(8 * byte + 8 - field.lsb, field.width)
                with m.If(selected & self.bus.strobes[byte]):
                    m.d.sync += member[low:high].eq(written[low:high])
        elif field.access == "pulse":
            m.d.sync += member.eq(Mux(selected, written & lanes, 0))
        elif field.access == "w1c":
            sticky = getattr(self, f"{field.name}_sticky")
            m.d.sync += sticky.eq(member | (sticky & ~Mux(selected, written & lanes, 0)))


def register_map(registers: Iterable[Register]) -> list[dict[str, Any]]:
    """Describe the registers as a program in any language wants them: ready for JSON, by rising offset."""
    registers = tuple(registers)
    _check_registers(registers)
    return [
        {
            "name": register.name,
            "offset": register.offset,
            "meaning": register.meaning,
            "fields": [
                {
                    "name": field.name,
                    "lsb": field.lsb,
                    "width": field.width,
                    "access": field.access,
                    "reset": field.reset,
                    "meaning": field.meaning,
                }
                for field in register.parts
            ],
        }
        for register in sorted(registers, key=lambda register: register.offset)
    ]


def c_header(name: str, registers: Iterable[Register]) -> str:
    """Write a C99 header that needs no other.

    It has of every register the ``_OFFSET`` in bytes, and of every field the ``_SHIFT``, the ``_MASK`` in place, the
    ``_WIDTH`` and the ``_RESET`` value.

    Macros are called ``NAME_REGISTER_FIELD_MASK`` and so on; without the part ``FIELD`` in a register without fields.
    Raises ValueError where two would have the same name.
    """
    _check_name("name of a header", name)
    registers = tuple(registers)
    _check_registers(registers)
    prefix = name.upper()
    size = max(register.offset for register in registers) + WORD_BYTES
    lines = [
        f"/* Registers of {name}: 32-bit words, addressed in bytes. */",
        f"#ifndef {prefix}_REGISTERS_H",
        f"#define {prefix}_REGISTERS_H",
        "",
        "/* Bytes from the first register to past the last one. */",
        f"#define {prefix}_SIZE 0x{size:02x}u",
    ]
    for register in sorted(registers, key=lambda register: register.offset):
        head = f"{prefix}_{register.name.upper()}"
        lines += ["", f"/* {_sentence(register.name, register.meaning)} */"]
        lines += [f"#define {head}_OFFSET 0x{register.offset:02x}u"]
        for field in register.parts:
            whole = head if not register.fields else f"{head}_{field.name.upper()}"
            about = ACCESSES[field.access]
            if register.fields:
                about = _sentence(field.name, f"{field.meaning} ({about})" if field.meaning else about)
            lines += [
                f"/* {about} */",
                f"#define {whole}_SHIFT {field.lsb}u",
                f"#define {whole}_WIDTH {field.width}u",
                f"#define {whole}_MASK 0x{field.mask:08x}u",
                f"#define {whole}_RESET 0x{field.reset:x}u",
            ]
    lines += ["", f"#endif /* {prefix}_REGISTERS_H */", ""]
    macros = [line.split()[1] for line in lines if line.startswith("#define")]
    for macro in macros:
        if macros.count(macro) > 1:
            raise ValueError(f"names of registers and fields must give different macros, not {macro} twice")
    return "\n".join(lines)


_RESERVED = frozenset({"bus", "registers", "address_bits", *dir(wiring.Component)})


def _members(field: Field) -> dict[str, Any]:
    """Names and directions of the members of a field."""
    if field.access == "ro":
        return {field.name: In}
    if field.access == "w1c":
        return {field.name: In, f"{field.name}_sticky": Out}
    return {field.name: Out}


def _sentence(name: str, meaning: str) -> str:
    return f"{name}: {meaning}" if meaning else name


def _check_name(what: str, name: str) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(f"{what} must be lower-case letters, digits and underscores, not {name!r}")


def _check_meaning(name: str, meaning: str) -> None:
    if "\n" in meaning or "*/" in meaning or "/*" in meaning:
        raise ValueError(f"meaning of {name} must be one line that fits into a C comment, not {meaning!r}")


def _check_registers(registers: Sequence[Register]) -> None:
    if not registers:
        raise ValueError("registers must be at least one")
    members = [name for register in registers for field in register.parts for name in _members(field)]
    for name in members:
        if name in _RESERVED:
            raise ValueError(f"name of a field must not be that of another member of the block: {name!r}")
    unique: tuple[tuple[str, list[Any]], ...] = (
        ("offsets of registers", [register.offset for register in registers]),
        ("names of registers", [register.name for register in registers]),
        ("names of fields", members),
    )
    for what, values in unique:
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"{what} must be unique, not {value!r} twice")
