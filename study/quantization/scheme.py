"""A scheme says to which formats, and how, a network is quantized. A point depends on nothing else but the network."""

from dataclasses import dataclass
from typing import Any

from ...formats import EXACT, Arithmetic, Element, Format, check_format, parse
from .binary_planes import BinaryPlanes
from .of_weights import OfWeights
from .outliers import WithOutliers
from .tensor_formats import FormatOfTensor, Operand
from .zero_points import WithZeroPoints

__all__ = ["SCALE_FORMAT", "SCALE_PER", "TECHNIQUES", "Scheme"]

SCALE_FORMAT = parse("bfloat16")
LEAST_SCALE = 2.0**-24
"""A format of scales has to reach down to this, or it does not suit every tensor. Scales of blocks need not, since they
have a power of two of the tensor's beside them."""

WIDEST = 16
"""Most bits of an operand."""

SCALE_PER = ("tensor", "channel", "block")
TECHNIQUES = ("equalize", "smooth", "gptq", "rounding", "bias")
"""The techniques, in the order in which they are applied. ``gptq`` and ``rounding`` exclude each other."""


def _check_operand(name: str, format: Operand) -> None:
    if isinstance(format, FormatOfTensor | OfWeights):
        return
    check_format(name, format)
    if format.scales_only or format.width > WIDEST:
        raise ValueError(f"{name} must be a format of at most {WIDEST} bits, not {format.name}")
    if format.reach >= 2.0**128:
        raise ValueError(f"{name} must be a format whose values float32 has, not {format.name}")


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How a network is quantized.

    Parameters
    ----------
    weight, activation: the formats of the operands of every multiplication, or how each tensor's is found, see
        ``FormatOfTensor``; weights can also be ``BinaryPlanes`` or ``WithZeroPoints``, with scales by blocks, or
        ``WithOutliers``, with a scale for each tensor. If both operands are activations, as in attention, both have the
        activations' format
    edges: the format of both operands in the first and the last layers; None if they have that of all others
    layers: tuples (layer, weight, activation) for layers whose formats differ from these
    scale_per: what has a scale of its own: every weight tensor, every output channel, or every ``block_size`` products
        along K. By blocks, weights and activations have scales (as OCP MX); otherwise an activation has one for the
        tensor
    scale_format: the format of every scale; ``float8_e8m0fnu`` for powers of two. The scale of a result is the product
        of two scales
    block_size: 16, 32, 64 or 128; only with ``scale_per="block"``
    techniques: some of ``TECHNIQUES``, in their order
    element: what multiplies and adds. With scales by blocks, its rule has to be exact
    """

    weight: Operand
    activation: Operand
    edges: Format | None = None
    layers: tuple[tuple[str, Operand, Operand], ...] = ()
    scale_per: str = "channel"
    scale_format: Format = SCALE_FORMAT
    block_size: int | None = None
    techniques: tuple[str, ...] = ()
    element: Element = EXACT

    def __post_init__(self) -> None:
        check_format("scale_format", self.scale_format)
        if self.scale_format.scales_only:
            raise ValueError(f"scale_format must be one that operands can have, not {self.scale_format.name}")
        if self.scale_format.name == "e8m0":
            raise ValueError(
                "scale_format must be float8_e8m0fnu for OCP MX's E8M0, not e8m0, which has a sign besides"
            )
        for name, format in {"weight": self.weight, "activation": self.activation, "edges": self.edges}.items():
            if format is not None:
                _check_operand(name, format)
        for _, *pair in self.layers:
            for format in pair:
                _check_operand("layers", format)
        self._check_selectors()
        self._check_tensors()
        if self.scale_per == "block" and self.element.rule != EXACT.rule:
            raise ValueError(
                f"element must multiply exactly with scale_per block, not by the rule {self.element.rule!r}"
            )
        if self.scale_per not in SCALE_PER:
            raise ValueError(f"scale_per must be {', '.join(SCALE_PER)}, not {self.scale_per!r}")
        if self.scale_per != "block" and self.scale_format.min_subnormal > LEAST_SCALE:
            raise ValueError(
                f"scale_format must reach down to 2**-24 where a scale is of a whole tensor or channel, as "
                f"bfloat16 and float16 do, not {self.scale_format.name}"
            )
        if (self.scale_per == "block") != (self.block_size is not None):
            raise ValueError(
                f"block_size must be given with scale_per block and with no other, not {self.block_size} with "
                f"{self.scale_per} (--block-size, --scale-per)"
            )
        if self.block_size not in (None, 16, 32, 64, 128):
            raise ValueError(f"block_size must be 16, 32, 64 or 128, not {self.block_size!r}")
        known = [name for name in TECHNIQUES if name in self.techniques]
        named = "+".join(self.techniques)
        if list(self.techniques) != known:
            raise ValueError(f"techniques must be of {', '.join(TECHNIQUES)}, in this order, not {named}")
        if self.scale_per == "block" and {"gptq", "rounding"} & {*known}:
            raise ValueError(f"techniques must be of equalize, smooth, bias with scale_per block, not {named}")
        if "gptq" in known and "rounding" in known:
            raise ValueError("techniques must not be both gptq and rounding: either decides how weights are rounded")

    def _check_selectors(self) -> None:
        """Weights alone may be of a format with a selector, which is stored beside the scale of each block."""
        weights = [self.weight, *(weight for _, weight, _ in self.layers)]
        others = [self.activation, self.edges, *(activation for _, _, activation in self.layers)]
        for format in others:
            if isinstance(format, Format) and format.choices:
                raise ValueError(f"activation and edges must be formats without a selector, not {format.name}")
        for format in weights:
            if isinstance(format, Format) and format.choices and self.scale_per != "block":
                raise ValueError(
                    f"weight must be a format without a selector unless scale_per is block, not {format.name} with "
                    f"{self.scale_per} (--scale-per, --block-size)"
                )

    def _check_tensors(self) -> None:
        """Activations that have scales by blocks have them as they come, so that no format can be found for them."""
        for activation in (self.activation, *(activation for _, _, activation in self.layers)):
            if isinstance(activation, FormatOfTensor) and self.scale_per == "block":
                raise ValueError(f"activation must be a format with scale_per block, not {activation}")
            if isinstance(activation, OfWeights):
                raise ValueError(f"activation must be a format, not {activation}, which is of weights")
        for weight in (self.weight, *(weight for _, weight, _ in self.layers)):
            if isinstance(weight, BinaryPlanes | WithZeroPoints) and self.scale_per != "block":
                raise ValueError(
                    f"scale_per must be block for weights that are {weight}, not {self.scale_per} (--scale-per, "
                    "--block-size)"
                )
            if isinstance(weight, WithOutliers) and self.scale_per != "tensor":
                raise ValueError(
                    f"scale_per must be tensor for weights that are {weight}, each layer having one table, not "
                    f"{self.scale_per} (--scale-per)"
                )
            if isinstance(weight, WithOutliers) and not {*self.techniques} <= {"smooth", "bias"}:
                raise ValueError(f"techniques must be of smooth, bias for {weight}, not {'+'.join(self.techniques)}")
            if isinstance(weight, BinaryPlanes) and weight.signed and not self.scale_format.signed:
                raise ValueError(f"scale_format must have a sign for {weight}, not be {self.scale_format}")
        if isinstance(self.weight, Format) and isinstance(self.activation, Format):
            Arithmetic(self.weight, self.activation, self.element)

    @property
    def finds_formats(self) -> bool:
        """Whether the formats of some tensors are others than those that the scheme names."""
        operands = (self.weight, self.activation, *(each for _, *pair in self.layers for each in pair))
        return not all(isinstance(operand, Format) for operand in operands)

    def formats(self, layer: str, edge: bool = False) -> tuple[Operand, Operand]:
        """The formats of the weights and the activations of a layer. ``edge`` says whether it is a first or last
        one."""
        for name, weight, activation in self.layers:
            if name == layer:
                return weight, activation
        if edge and self.edges is not None:
            return self.edges, self.edges
        return self.weight, self.activation

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with formats by their names."""
        return {
            "weight": self.weight.name,
            "activation": self.activation.name,
            "edges": self.edges.name if self.edges else None,
            "layers": {layer: [w.name, a.name] for layer, w, a in sorted(self.layers, key=lambda entry: entry[0])},
            "scale_per": self.scale_per,
            "scale_format": self.scale_format.name,
            "block_size": self.block_size,
            "techniques": list(self.techniques),
            **({} if self.element == EXACT else {"element": self.element.text}),
        }
