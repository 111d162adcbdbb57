"""The shape of a matmul engine: what its hardware, its cycle model and the packing of its streams all depend on."""

from dataclasses import dataclass, field, replace

from .arithmetic import Arithmetic
from .base import Format, check_flag, check_integer, check_operand
from .blocks import Blocks
from .dma import Dma
from .element import EXACT, Element
from .fixed_point import FixedPoint
from .integer import Integer
from .requantization import Requantization

__all__ = ["CONTROLS", "DATAFLOWS", "MAX_OUTPUT_CYCLES", "MAX_SIZE", "Engine"]

DATAFLOWS = ("output_stationary", "weight_stationary")
"""What stays in a processing element while operands stream past: the sum, or the weight."""

MAX_SIZE = (1 << 16) - 1
"""The greatest m and n, and of k if an engine is made for it."""

CONTROLS = ("axi_lite", "wishbone")
"""Buses that the registers can be behind."""

MAX_SIDE = 64
MAX_BUS_BITS = 4096
MAX_DEPTH = MAX_SIZE
MAX_OUTPUT_CYCLES = 1024
"""Most cycles that a caller may give an output."""


@dataclass(frozen=True)
class Engine:
    """``C[m, n] = requantize(A[m, k] @ W[k, n])``: an array of ``rows x columns`` elements of ``lanes`` products.

    An output-stationary array computes ``rows`` rows of ``columns`` columns of C at a time, ``lanes`` values of k a
    cycle. A weight-stationary one holds ``rows * lanes`` values of k by ``columns`` weights and takes one row of A a
    cycle. Both read A in panels of ``tile_m`` rows and W in panels of ``columns`` columns; W is read once for every
    panel of A.

    Parameters
    ----------
    weight, activation: formats of W and A
    requantization: from the exact sum to the output's format. Its ``scale`` comes by ``scale_per``, its bias with every
        column, tensor scale and zero point once a product
    rows, columns: processing elements, 1 to 64 each
    lanes: products a cycle of each, 1 to 64
    dataflow: one of ``DATAFLOWS``
    tile_m: rows of A in a panel, held in block RAM twice; a multiple of ``rows`` where output-stationary
    max_k: largest k; a panel of A, and of W where output-stationary, is held for so many
    outputs: outputs requantized at a time; divides ``columns``
    shortest_k: the shortest k whose outputs are requantized without holding the array up; None for half of ``max_k``
    cycles_an_output: most cycles that ``outputs`` outputs may take; None for as many as sums over ``shortest_k`` leave.
        The requantizer is the smaller for more of them, and shorter sums wait for it
    scale_per: ``tensor``, one scale for all outputs, or ``channel``, one for every column of C
    blocks: scales along k, of A and of W; output-stationary only
    weight_zero_point: whether an integer is subtracted from every weight, W and A being integers: by the sum of every
        row of A, times that integer. That of A needs no hardware: see ``sim.zero_point_bias``
    bus_bits: width of every AXI4-Stream, a multiple of 8; a word takes as many beats as it needs. None makes each as
        wide as its word, rounded up to bytes
    control: bus of the registers, one of ``CONTROLS``
    element: what the array is made of. Scales of blocks and zero points of weights need exact products, and a
        weight-stationary array takes a word in every cycle
    dma: an AXI4 master that moves all data from and to memory, in the place of the streams; None for streams
    """

    weight: Format
    activation: Format
    requantization: Requantization
    rows: int = 4
    columns: int = 4
    lanes: int = 1
    dataflow: str = "output_stationary"
    tile_m: int = 16
    max_k: int = 1024
    outputs: int = 1
    shortest_k: int | None = None
    cycles_an_output: int | None = None
    scale_per: str = "tensor"
    blocks: Blocks | None = None
    weight_zero_point: bool = False
    bus_bits: int | None = None
    control: str = "axi_lite"
    element: Element = EXACT
    dma: Dma | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("weight", "activation"):
            check_operand(name, getattr(self, name))
        if not isinstance(self.requantization, Requantization):
            raise ValueError(f"requantization must be a Requantization, not {self.requantization!r}")
        if self.blocks is not None and not isinstance(self.blocks, Blocks):
            raise ValueError(f"blocks must be Blocks or None, not {self.blocks!r}")
        check_flag("weight_zero_point", self.weight_zero_point)
        for name, least, most in (
            ("rows", 1, MAX_SIDE),
            ("columns", 1, MAX_SIDE),
            ("lanes", 1, MAX_SIDE),
            ("tile_m", 1, MAX_DEPTH),
            ("max_k", 1, MAX_DEPTH),
            ("outputs", 1, MAX_SIDE),
        ):
            check_integer(name, getattr(self, name), least, most)
        if self.dataflow not in DATAFLOWS:
            raise ValueError(f"dataflow must be {' or '.join(DATAFLOWS)}, not {self.dataflow!r}")
        if self.scale_per not in ("tensor", "channel"):
            raise ValueError(f"scale_per must be tensor or channel, not {self.scale_per!r}")
        if self.columns % self.outputs:
            raise ValueError(f"outputs must divide the {self.columns} columns, not be {self.outputs}")
        if self.output_stationary and self.tile_m % self.rows:
            raise ValueError(f"tile_m must be a multiple of the {self.rows} rows, not {self.tile_m}")
        if self.k_step > 1 and not self.element.fills(self.weight, self.activation):
            raise ValueError(
                f"one of the formats must have a zero to fill up a ragged k with {self.k_step} values a cycle, "
                f"not {self.weight} and {self.activation}"
            )
        whole = self.bus_bits is None or isinstance(self.bus_bits, int)
        if not whole or (self.bus_bits is not None and (self.bus_bits % 8 or not 8 <= self.bus_bits <= MAX_BUS_BITS)):
            raise ValueError(f"bus_bits must be a multiple of 8 up to {MAX_BUS_BITS}, not {self.bus_bits!r}")
        if self.control not in CONTROLS:
            raise ValueError(f"control must be {' or '.join(CONTROLS)}, not {self.control!r}")
        if self.shortest_k is not None:
            check_integer("shortest_k", self.shortest_k, 1, self.max_k)
        if self.cycles_an_output is not None:
            check_integer("cycles_an_output", self.cycles_an_output, 1, MAX_OUTPUT_CYCLES)
        self._check_element()
        self._check_blocks()
        self._check_zero_point()
        if self.dma is not None:
            if not isinstance(self.dma, Dma):
                raise ValueError(f"dma must be a Dma or None, not {self.dma!r}")
            if self.bus_bits is not None:
                raise ValueError(f"bus_bits must be left out with a dma, which has no streams, not {self.bus_bits}")

    def _check_element(self) -> None:
        arithmetic = self.arithmetic
        if arithmetic.interval > 1 and not self.output_stationary:
            raise ValueError(
                f"dataflow must be output_stationary where a product takes {arithmetic.interval} cycles, "
                f"not {self.dataflow!r}"
            )
        multiple = self.element.lane_multiple(self.weight, self.activation)
        if self.lanes % multiple:
            raise ValueError(f"lanes must be a multiple of {multiple} for {arithmetic}, not {self.lanes}")
        if not arithmetic.is_exact and self.blocks is not None:
            raise ValueError(f"element must multiply exactly with block scales, not by the rule {arithmetic.rule!r}")
        if self.dma is not None and arithmetic.load_interval > 1:
            raise ValueError(f"element must take a word of weights in every cycle with a dma, not {self.element}")
        if self.element.droppable and (self.blocks is not None or self.dma is not None):
            raise ValueError(
                f"element must leave out no digits at run time with block scales or a dma, not {str(self.element)!r}"
            )
        if self.element != EXACT and self.sums_rows:
            raise ValueError(f"element must be {EXACT} with zero points of weights, not {str(self.element)!r}")

    def _check_blocks(self) -> None:
        if self.blocks is None:
            return
        self.blocks.check(self.weight, self.activation)
        if not self.output_stationary:
            raise ValueError("dataflow must be output_stationary with block scales, not 'weight_stationary'")
        if self.blocks.size % self.lanes:
            raise ValueError(f"lanes must divide the blocks' {self.blocks.size} elements, not be {self.lanes}")
        if self.requantization.bias_bits and isinstance(self.sum, Format):
            raise ValueError("bias_bits must be 0 where blocks are added in float32: there is no accumulator's unit")

    def _check_zero_point(self) -> None:
        if not self.weight_zero_point:
            return
        for name in ("weight", "activation"):
            if not getattr(self, name).takes_zero_point:
                raise ValueError(
                    f"{name} must be int{{N}} or uint{{N}} with a weight_zero_point, not {getattr(self, name)}"
                )
        if self.blocks is not None:
            raise ValueError("weight_zero_point must be False with block scales; blocks have zero_points of their own")
        try:
            _ = self.offset_requantization
        except ValueError:
            bits = self.weight.width + self.row_sum.width
            raise ValueError(
                f"bias_bits must leave room for a weight_zero_point times sums of rows, {bits} bits, within 64, "
                f"not be {self.requantization.bias_bits}"
            ) from None

    @property
    def output_stationary(self) -> bool:
        return self.dataflow == DATAFLOWS[0]

    @property
    def arithmetic(self) -> Arithmetic:
        """What the array computes with."""
        return Arithmetic(self.weight, self.activation, self.element)

    @property
    def products(self) -> int:
        """Products that a word of every operand makes; the array takes one every ``arithmetic.interval`` cycles."""
        return self.rows * self.columns * self.lanes

    @property
    def k_step(self) -> int:
        """Values of k that a cycle takes."""
        return self.lanes if self.output_stationary else self.rows * self.lanes

    @property
    def k_words(self) -> int:
        """Words that the largest k takes."""
        return -(-self.max_k // self.k_step)

    def output_cycles(self, wait: int) -> int:
        """The most cycles that a word of outputs may take: ``cycles_an_output``, or what sums leave.

        The sums of a group, or of a panel where weights are stationary, are all drained while the next ones are
        computed; ``wait`` cycles of that pass before the first.
        """
        if self.cycles_an_output is not None:
            return self.cycles_an_output
        k = -(-self.max_k // 2) if self.shortest_k is None else self.shortest_k
        words = -(-min(k, self.block_terms) // self.k_step) * self.arithmetic.interval + self.arithmetic.recovery
        rows = self.rows
        if not self.output_stationary:
            words, rows = words * self.tile_m, self.tile_m
        chunks = rows * (self.columns // self.outputs)
        return min(max((words - wait) // chunks, self.beats("c"), 1), MAX_OUTPUT_CYCLES)

    @property
    def block_terms(self) -> int:
        """Most products in one exact sum before scales come in."""
        return self.max_k if self.blocks is None else min(self.blocks.size, self.max_k)

    @property
    def accumulator(self) -> FixedPoint:
        """Of a processing element's sum."""
        return self.arithmetic.accumulator(self.block_terms)

    @property
    def sum(self) -> FixedPoint | Format:
        """What is requantized: the accumulator, or the sum over blocks."""
        if self.blocks is None:
            return self.accumulator
        return self.blocks.sum_format(self.weight, self.activation, self.max_k)

    @property
    def sums_rows(self) -> bool:
        """Whether the array also sums the rows of A, for zero points of weights."""
        return self.weight_zero_point or (self.blocks is not None and self.blocks.zero_points)

    @property
    def row_sum(self) -> FixedPoint:
        """Of the sum of a row of A, or of a block of it."""
        return FixedPoint.of(Integer(1, unsigned=True), self.activation, self.block_terms)

    @property
    def offset_requantization(self) -> Requantization:
        """The requantization with a bias that also holds what the weights' zero point makes of a row of A."""
        if not self.weight_zero_point:
            return self.requantization
        # Both factors may be unsigned, and their product is subtracted.
        bits = 1 + max(1 + self.weight.width + self.row_sum.width, self.requantization.bias_bits)
        return replace(self.requantization, bias_bits=bits)

    @property
    def channel_fields(self) -> dict[str, int]:
        """What comes with every column of C: names and bits, lowest first."""
        fields = {}
        if self.requantization.scale is not None and self.scale_per == "channel":
            fields["scale"] = self.requantization.scale.width
        if self.requantization.bias_bits:
            fields["bias"] = self.requantization.bias_bits
        return fields

    @property
    def tensor_fields(self) -> dict[str, int]:
        """What is set once a product: names and bits."""
        how = self.requantization
        fields = {}
        if how.scale is not None and self.scale_per == "tensor":
            fields["scale"] = how.scale.width
        if how.tensor_scale is not None:
            fields["tensor_scale"] = how.tensor_scale.width
        if how.zero_point:
            fields["zero_point"] = how.output.width
        if self.weight_zero_point:
            fields["weight_zero_point"] = self.weight.width
        if self.element.droppable:
            fields["dropped_digits"] = self.element.droppable.bit_length()
        return fields

    @property
    def stream_bits(self) -> dict[str, int]:
        """Bits of a word of every stream that the engine has, ``a`` to ``c``; of ``c`` without its last bit.

        ``a`` and ``w`` carry codes, ``p`` what comes with a column, ``a_scales`` and ``w_scales`` block scales, with a
        zero point above each scale of weights if there is one, ``c`` outputs.
        """
        words = {
            "a": self.rows * self.lanes * self.activation.width,
            "w": self.columns * self.lanes * self.weight.width,
        }
        if self.channel_fields:
            words["p"] = sum(self.channel_fields.values())
        if self.blocks is not None:
            words["a_scales"] = self.rows * self.blocks.activation_scale.width
            words["w_scales"] = self.columns * self.blocks.weight_bits(self.weight)
        return words | {"c": self.outputs * self.requantization.output.width}

    @property
    def memories(self) -> dict[str, tuple[int, int, int]]:
        """Bits of a word, words, and ports that read, of the memories: both halves of the panels, by their streams.

        A weight-stationary array has one of ``sums`` besides. Sums of blocks are not among them: they are few words.
        """
        bits, groups = self.stream_bits, self.tile_m // self.rows
        if self.output_stationary:
            words = {"a": groups * self.k_words, "w": self.k_words}
        else:
            words = {"a": self.tile_m * self.k_words}
        if self.blocks is not None:
            blocks = -(-self.max_k // self.blocks.size)
            words |= {"a_scales": groups * blocks, "w_scales": blocks}
        found = {name: (bits[name], _both_halves(depth), 1) for name, depth in words.items()}
        if "p" in bits:
            found["p"] = (bits["p"] * self.outputs, _both_halves(self.columns // self.outputs), 1)
        if not self.output_stationary:
            width = self.columns * (self.accumulator.width + len(self.accumulator.specials))
            width += self.row_sum.width if self.weight_zero_point else 0
            found["sums"] = (width, 2 << (self.tile_m - 1).bit_length(), 2)
        return found

    def seed(self, place: int) -> int:
        """Seed of the random words of the output at that place of a word, for stochastic rounding."""
        return (self.requantization.seed - 1 + place) % ((1 << 32) - 1) + 1

    def bus(self, stream: str) -> int:
        """Bits of a beat of that AXI4-Stream, a multiple of 8."""
        return self.bus_bits or 8 * -(-self.stream_bits[stream] // 8)

    def beats(self, stream: str) -> int:
        """Beats that a word of that stream takes."""
        return -(-self.stream_bits[stream] // self.bus(stream))


def _both_halves(words: int) -> int:
    """A half is addressed by its own bits, one at least."""
    return 2 << max(1, (words - 1).bit_length())
