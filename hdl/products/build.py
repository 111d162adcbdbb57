"""How a product is built: what a caller or ``auto`` chose for its significands, its sums and its registers."""

from dataclasses import dataclass, replace

from ...formats import Format, Minifloat
from .packing import GridPacking, Packing, SummedPacking
from .significand_product import PRODUCTS

__all__ = ["CHAIN", "CHAINED_LUT_INPUTS", "CHAINED_PIPELINE", "MAX_PIPELINE", "Build", "chain_length"]

MAX_PIPELINE = 3
"""Most register stages of a unit, and enough for a fast clock."""

CHAINED_PIPELINE = 4
"""Most register stages where digits are added in chains: the fourth is in the middle of every chain."""

REGISTERS = {
    "aligned": ("align", "product", "total"),
    "rows": ("partial", "align", "total"),
    "sums": ("sums", "align", "total"),
    "chains": ("chain", "total"),
    "shifted": ("align", "chain", "total"),
    "blocks": ("product", "chain", "total"),
    "multiples": ("partial", "chain", "middle"),
}
"""The cuts that the second and each further register stage are at, by what these hold."""

ADDED = ("chains", "shifted", "multiples")
"""What registers hold only where products are added in another way than a tree."""

SUMS = ("tree", "chains", "signs", "gated", "digits", "turned")
"""Ways to add the products of several lanes."""

CHAIN = 8
"""Lanes to a chain, where the clock has the time."""

CHAINED_LUT_INPUTS = 6
"""Inputs of a LUT whose adders take in a product's last level of logic."""


def chain_length(lut_inputs: int) -> int:
    """Lanes to a chain whose adders take in logic, with LUTs of so many inputs; 1, which is a tree, where none do."""
    return CHAIN if lut_inputs >= CHAINED_LUT_INPUTS else 1


@dataclass(frozen=True)
class Build:
    """One way to build the product of two formats in hardware; every way gives the same bits.

    An ``Arithmetic`` says what is computed and in how many cycles a product; a build says how it is made: with which
    logic, in how many register stages, by DSP blocks or not, and so for which FPGA family.

    Parameters
    ----------
    product: how significands are multiplied, a key of ``PRODUCTS``; or ``whole``, one truth table from codes to
        product; or ``recoded``, where the weight is a table that has a recoding; or ``gated``, by rows that are there
        or not
    group: positions that the fine shift covers, a power of two
    registers: what the second register stage holds, one of ``REGISTERS``: the ``aligned`` product, or for ``booth`` and
        ``recoded`` its ``rows`` (a register's reset then makes the zero digits for free) or their ``sums`` by pairs
        (faster); where products are added in another way than a tree, the ``chains`` (or sums of four lanes), or the
        ``shifted`` products before them; where they are added in DSP blocks, what these ``blocks`` have registers for
    tree: whether rows are summed as a balanced tree, faster, rather than one after the other
    apart: whether registers before an adder of several products stay out of DSP blocks. yosys 0.70's ``ice40_dsp``
        takes such a register into the block of either product, and then one of the two products is lost
    pipeline: register stages, 0 to 4
    short_paths: whether an engine around the products is built for a fast clock as well: with a second register behind
        the memories of operands, a buffer at the output, and loops that know their next step
    shares_cells: whether a register takes a logic cell of its own, unless the LUT before it drives nothing else, see
        ``Family``; an array then holds its sums another way
    sums: how products of several lanes are added, one of ``SUMS``: in a ``tree`` of two's complement, in ``chains``
        whose adders take in the logic of a product's last level, or by relative ``signs``, of products that have
        their signs apart; by rows that are ``gated``, or by Booth's ``digits`` that a carry cell applies; or in chains
        whose sum is ``turned`` over where signs differ
    cell: the carry cell of the family that adders are made of which take in logic, None where yosys makes them
    chain: lanes to a chain; 1 for a tree of rows of unsigned numbers, where adders take in no logic
    onto_sum: whether products in chains are added to the sum itself, the first chain one after the other, where no
        register stands between
    integers: whether minifloats become integers before they are multiplied
    packing: how several products are made by one multiplication, where they are; ``product`` is for one that is left
        over
    cascade: how many products are added one after the other before the tree, for adders that DSP blocks have; 0 where
        all are added by the tree
    lut_inputs: inputs of the family's LUTs
    multipliers: in an array of which some elements leave their products to the device's multipliers, the build of
        those; None where there are no such elements, or where they are built like the others
    """

    product: str
    group: int = 8
    registers: str = "aligned"
    tree: bool = False
    apart: bool = False
    pipeline: int = 2
    short_paths: bool = False
    shares_cells: bool = False
    sums: str = "tree"
    chain: int = CHAIN
    cell: str | None = None
    onto_sum: bool = False
    integers: bool = False
    packing: Packing | None = None
    cascade: int = 0
    lut_inputs: int = 6
    multipliers: "Build | None" = None

    def __post_init__(self) -> None:
        if self.product not in ("whole", "recoded", "gated", *PRODUCTS):
            raise ValueError(
                f"product must be one of whole, recoded, gated, {', '.join(PRODUCTS)}, not {self.product!r}"
            )
        if self.group < 1 or self.group & (self.group - 1):
            raise ValueError(f"group must be a power of two, not {self.group!r}")
        if self.registers not in REGISTERS:
            raise ValueError(f"registers must be one of {', '.join(REGISTERS)}, not {self.registers!r}")
        if self.registers in ("rows", "sums") and self.product not in ("booth", "recoded"):
            raise ValueError(f"registers must be 'aligned' for {self.product!r}, not {self.registers!r}")
        if self.sums not in SUMS:
            raise ValueError(f"sums must be one of {', '.join(SUMS)}, not {self.sums!r}")
        if self.sums == "digits" and self.product != "booth":
            raise ValueError(f"product must be 'booth' for sums 'digits', not {self.product!r}")
        if self.chain < 1:
            raise ValueError(f"chain must be 1 or more, not {self.chain!r}")
        if self.registers in ADDED and self.sums == "tree":
            raise ValueError(f"registers must be aligned, rows or sums for sums 'tree', not {self.registers!r}")
        if self.onto_sum and (self.sums != "chains" or {"chain", "total"} & {*self.cuts}):
            raise ValueError("onto_sum must be False where products are not in chains, or registers stand behind these")
        most = 1 + len(REGISTERS[self.registers])
        if self.pipeline not in range(most + 1):
            raise ValueError(f"pipeline must be 0 to {most}, not {self.pipeline!r}")

    @property
    def dsp(self) -> bool:
        """Whether multiplications are left to the synthesizer, for its DSP blocks."""
        return self.product == "operator" or self.packing is not None

    @property
    def in_chains(self) -> bool:
        """Whether products of several lanes are added some lanes to a chain, and chains by a tree."""
        return self.sums in ("chains", "gated", "digits", "turned")

    @property
    def adds_rows(self) -> bool:
        """Whether the rows of several products of integers are added in chains."""
        return self.sums == "chains" and self.registers == "chains" and not self.integers

    def groups(self, count: int) -> list[int]:
        """How many products are made together, for each multiplication of ``count`` products."""
        if self.packing is None:
            return [1] * count
        groups = -(-count // self.packing.products)
        return [count * (k + 1) // groups - count * k // groups for k in range(groups)]

    def multiplications(self, count: int) -> int:
        """How many multiplications are left to the synthesizer, for its DSP blocks, of so many products."""
        return sum(size > 1 or self.product == "operator" for size in self.groups(count))

    def addends(self, count: int) -> int:
        """How many terms that many products come as."""
        return len(self.groups(count)) if isinstance(self.packing, SummedPacking) else count

    def makes_integer(self, format: Format) -> bool:
        """Whether codes of that format are multiplied as integers in two's complement, and not so decoded anyway."""
        return self.integers and isinstance(format, Minifloat)

    def keeps_apart(self, terms: int) -> bool:
        """Whether that many products have registers that have to stay out of DSP blocks."""
        return self.dsp and self.apart and terms > 1

    @property
    def of_one_product(self) -> "Build":
        """The build of a product that is not added to others."""
        if self.sums == "tree":
            return self
        registers = "aligned" if self.registers in ADDED else self.registers
        return replace(self, sums="tree", registers=registers, onto_sum=False)

    @property
    def without_grid(self) -> "Build":
        """The build of an element of an array that shares no multiplication with its neighbours."""
        return replace(self, packing=None) if isinstance(self.packing, GridPacking) else self

    @property
    def cuts(self) -> tuple[str, ...]:
        """The cuts that hold registers."""
        return ("input", *REGISTERS[self.registers])[: self.pipeline]

    @property
    def keeps_sum(self) -> bool:
        """Whether the finished sums of an array's elements come from the registers of the running ones, a cycle later.

        nextpnr-ecp5 has a place for one register beside a bit of an adder, and puts a second one anywhere.
        """
        return self.pipeline == CHAINED_PIPELINE

    def is_late(self, lane: int) -> bool:
        """Whether a lane's operands come a cycle late, since its chain has a register before them."""
        return "middle" in self.cuts and lane % self.chain >= self.chain // 2
