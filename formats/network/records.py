"""The records of a program: a step of a network each, computed for all pixels of its result before the next begins."""

from dataclasses import dataclass, field

from ..base import check_integer
from .view import View

__all__ = ["Output", "Pool", "Product", "Record", "Residual", "Window"]

MAX_WINDOW = 255
MAX_CHANNELS = (1 << 16) - 1
MAX_SHIFT = 63
MAX_RESIDUAL_SHIFT = 31


@dataclass(frozen=True)
class Window:
    """What a result's pixel reads: taps ``(ky, kx)``, all of them in the order of rows.

    Tap (ky, kx) of the pixel (y, x) is the input's pixel ``(y * stride_y + ky * dilation_y - pad_y, x * stride_x +
    kx * dilation_x - pad_x)``. Where that lies outside, the tap is padding.
    """

    kernel_y: int = 1
    kernel_x: int = 1
    stride_y: int = 1
    stride_x: int = 1
    dilation_y: int = 1
    dilation_x: int = 1
    pad_y: int = 0
    pad_x: int = 0

    def __post_init__(self) -> None:
        for name in ("kernel_y", "kernel_x", "stride_y", "stride_x", "dilation_y", "dilation_x"):
            check_integer(name, getattr(self, name), 1, MAX_WINDOW)
        for name in ("pad_y", "pad_x"):
            check_integer(name, getattr(self, name), 0, MAX_WINDOW)

    @property
    def taps(self) -> int:
        return self.kernel_y * self.kernel_x


@dataclass(frozen=True)
class Output:
    """A tensor that a record writes: ``clip(round((S * m + ((r * multiplier) << residual_shift)) * 2**-shift))``.

    ``S`` is the record's sum with its bias, ``m`` the channel's multiplier in ``Parameter``, ``r`` the residual's
    integer (0 without one). The value is exact up to the one rounding, to the nearest value of the format, ties to
    even, with saturation; it is a value of the format, not a number of its lowest bits. A zero point is added after
    rounding and before saturation.

    The clip is by order: of two codes that with the lesser value comes first, and of two zeros the negative one. A code
    before ``low`` becomes ``low``, one behind ``high`` becomes ``high``.

    With a ``table`` the value is rounded to the format between layers instead, the zero point added and saturated as
    there, not clipped, and the code is that entry of the table.

    Parameters
    ----------
    view: where the tensor lies
    shift: 0 to 63
    multiplier: of the residual, as wide as those of the channels
    residual_shift: one of ``NetworkShape.residual_shifts``
    low, high: codes of the output's format
    zero_point: a value of the format that is rounded to; 0 where ``NetworkShape.zero_points`` is False
    table: number of one of ``Program.tables``; None for none
    """

    view: View
    shift: int
    low: int
    high: int
    multiplier: int = 0
    residual_shift: int = 0
    zero_point: int = 0
    table: int | None = None

    def __post_init__(self) -> None:
        check_integer("shift", self.shift, 0, MAX_SHIFT)
        check_integer("multiplier", self.multiplier, 0, (1 << 16) - 1)
        check_integer("residual_shift", self.residual_shift, 0, MAX_RESIDUAL_SHIFT)


@dataclass(frozen=True)
class Residual:
    """A tensor of the format between layers, of the result's size, that is added to a record's sums.

    ``r`` is the integer of its code, minus ``zero``. The tensor between layers that is written may lie in the very same
    view: a word of the residual is read before it is written.
    """

    view: View
    zero: int = 0


@dataclass(frozen=True)
class Record:
    """What all records have in common.

    Parameters
    ----------
    name: of the layer
    source: the tensor that is read
    window: which pixels of it a result's pixel reads
    channels: of the result, those that fill up its last word or beat not counted
    height, width: of the result
    parameters: the first channel's entry in ``Program.parameters``
    parameter_step: 1 where every channel has an entry of its own, 0 where all have the same
    activation: what is written in the format of activations; None for nothing
    between: what is written in the format between layers; None for nothing
    residual: what is added; None for nothing

    What is read was written by the image or by a record before, and lies apart from what is written, but for a residual
    as ``Residual`` tells. A record that writes nothing gives its sums to the host: it is the last one, without a
    residual.
    """

    name: str
    source: View
    window: Window
    channels: int
    height: int
    width: int
    parameters: int
    parameter_step: int = 1
    activation: Output | None = None
    between: Output | None = None
    residual: Residual | None = None

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width"):
            check_integer(name, getattr(self, name), 1, MAX_CHANNELS)
        check_integer("parameter_step", self.parameter_step, 0, 1)

    @property
    def pixels(self) -> int:
        """Of the result."""
        return self.height * self.width

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What is written, that in the format of activations first."""
        return tuple(output for output in (self.activation, self.between) if output is not None)


@dataclass(frozen=True)
class Product(Record):
    """A convolution or a linear layer: ``S = sum of products + bias``.

    The source is in the memory of activations. Channels of the result are computed in tiles of ``columns``, the pixels
    of a row in groups of ``rows``. For the outputs of tile t, a tap's words are ``words`` of the source's pixel, from
    word ``(t // tiles_a_step) * tile_step`` on. Weights lie in the order of tiles, taps, words, columns, lanes: word
    ``weights + (t * taps + tap) * words + word`` of the memory of weights has, for each column, its lanes.

    Parameters
    ----------
    weights: address of the first word of weights
    words: words of a tap
    tile_step: words from the source channels of a step of tiles to those of the next; 0 unless in groups
    tiles_a_step: tiles that read the same words
    pad: the code that padding reads, of the format of activations
    """

    weights: int = 0
    words: int = 1
    tile_step: int = 0
    tiles_a_step: int = 1
    pad: int = 0

    def tiles(self, columns: int) -> int:
        return -(-self.channels // columns)

    @property
    def terms(self) -> int:
        """Words of a sum."""
        return self.window.taps * self.words


@dataclass(frozen=True)
class Pool(Record):
    """The sum or the greatest of the integers in a window, for each channel: ``S = that + bias``.

    The source is in the memory between layers, and ``zero`` is subtracted from its integers. Padding is left out: a sum
    counts it as 0, and every window of a maximum has a pixel. A window of one pixel reads a tensor as it is, to be
    scaled, added to a residual, or looked up.

    Parameters
    ----------
    kind: ``sum`` or ``max``
    zero: of the source
    """

    kind: str = field(default="sum")
    zero: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in ("sum", "max"):
            raise ValueError(f"kind must be sum or max, not {self.kind!r}")
