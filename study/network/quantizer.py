"""What rounds a tensor in a network that came quantized: the nodes of QONNX, read and computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from ...formats import Format, Integer, Minifloat, catalog
from .grid import round_to

__all__ = ["DOMAINS", "Quantizer", "is_quantizer"]

Array = NDArray[Any]

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""Of QONNX's nodes; the first is what is written, the others are its older names."""

INPUTS = {
    "Quant": ("a scale", "a zero point", "a width"),
    "IntQuant": ("a scale", "a zero point", "a width"),
    "FloatQuant": ("a scale", "an exponent width", "a mantissa width", "an exponent bias", "a largest value"),
    "BipolarQuant": ("a scale",),
}
"""Of each kind of node that is read, what it has behind the tensor."""

ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
}

MAX_WIDTH = 16
"""Bits of formats that layers can have; a bias may have more."""


@dataclass(frozen=True, eq=False)
class Quantizer:
    """Rounds to ``(integer - zero_point) * scale`` or to ``value * scale``, every step in float32 as QONNX has it.

    Members
    -------
    name: the node's, or that of its output
    input, output: tensors
    format: the smallest that has all its codes; None where it has more than 16 bits
    scale: float32, of a shape that broadcasts to the tensor
    zero_point: a whole number; 0 for minifloats
    """

    name: str
    input: str
    output: str
    format: Format | None
    scale: Array
    zero_point: int
    _round: Callable[[Array], Array]

    @classmethod
    def of(cls, node: NodeProto, constant: Callable[[str], Array | None]) -> "Quantizer":
        """From a node of QONNX; ``constant``: the value of a tensor by its name, None where it is not constant.

        Raises ValueError where it is none that can be studied.
        """
        title = node.name or node.output[0]
        values = [constant(name) for name in node.input[1:]]
        if len(values) != len(INPUTS[node.op_type]):
            raise ValueError(
                f"a {node.op_type} must have {', '.join(INPUTS[node.op_type])}, not {len(values)} inputs behind the "
                f"tensor as {title!r}"
            )
        if any(value is None for value in values):
            raise ValueError(f"scale and widths of a {node.op_type} must be constant, not computed as in {title!r}")
        known = [np.asarray(value, np.float32) for value in values]
        options = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        make = {"FloatQuant": _minifloat, "BipolarQuant": _bipolar}.get(node.op_type, _integer)
        format, zero_point, rounding = make(title, known[1:], options)
        if not np.all(known[0] > 0):
            raise ValueError(f"scale of a {node.op_type} must be above 0, not {known[0].min()!s} in {title!r}")
        return cls(title, node.input[0], node.output[0], format, known[0], zero_point, rounding)

    @property
    def inputs(self) -> list[str]:
        return [self.input]

    @property
    def outputs(self) -> list[str]:
        return [self.output]

    def run(self, tensors: dict[str, Array]) -> list[Array]:
        """As a segment does."""
        return [self.rounded(tensors[self.input])]

    def rounded(self, tensor: Array) -> Array:
        """The nearest values, float32."""
        return self._round(tensor.astype(np.float32, copy=False) / self.scale) * self.scale


def is_quantizer(node: NodeProto) -> bool:
    """Raises ValueError for a node of QONNX that is no quantizer, or one that is not read."""
    if node.domain not in DOMAINS:
        return False
    if node.op_type not in INPUTS:
        raise ValueError(f"nodes of QONNX must be {', '.join(INPUTS)}, not {node.op_type!r} as {node.output[0]!r}")
    return True


def _integer(title: str, values: list[Array], options: dict[str, Any]) -> tuple[Format | None, int, Any]:
    zero_point, bits = (_whole(title, name, value) for name, value in zip(("zero point", "width"), values, strict=True))
    signed, narrow = bool(options.get("signed", 1)), bool(options.get("narrow", 0))
    if bits < 1:
        raise ValueError(f"width of a Quant must be 1 bit or more, not {bits} in {title!r}")
    if bits == 1 and signed:
        return _bipolar(title, [], options)
    rounding = _rounding(title, options, [*ROUNDINGS])
    top = (1 << bits - signed) - 1
    low = -top - 1 if signed else 0
    bounds = np.float32(low + (narrow and signed)), np.float32(top - (narrow and not signed))
    shift = np.float32(zero_point)

    def rounded(tensor: Array) -> Array:
        return np.asarray(rounding(np.clip(tensor + shift, *bounds)) - shift)

    format = Integer(bits, unsigned=not signed, symmetric=narrow and signed) if bits <= MAX_WIDTH else None
    return format, zero_point, rounded


def _bipolar(title: str, values: list[Array], options: dict[str, Any]) -> tuple[Format | None, int, Any]:
    return Integer(2, symmetric=True), 0, lambda tensor: np.where(tensor >= 0, np.float32(1), np.float32(-1))


def _minifloat(title: str, values: list[Array], options: dict[str, Any]) -> tuple[Format | None, int, Any]:
    names = ("exponent width", "mantissa width", "exponent bias")
    exponent_bits, fraction_bits, bias = (
        _whole(title, name, value) for name, value in zip(names, values, strict=False)
    )
    top = _one(title, "largest value", values[3])
    _rounding(title, options, ["ROUND", "HALF_EVEN"])
    if not options.get("saturation", 1) or not options.get("has_subnormal", 0):
        raise ValueError(f"a FloatQuant must saturate and have subnormals, not as {title!r}")
    plain = Minifloat(exponent_bits, fraction_bits, bias)
    fields = (exponent_bits, fraction_bits, bias, True, True)
    known = [
        format
        for format in (plain, *catalog())
        if isinstance(format, Minifloat)
        and fields == (format.exponent_bits, format.fraction_bits, format.bias, format.has_sign, format.subnormals)
        and float(format.max_finite) == min(top, float(plain.max_finite))
    ]
    if not known or plain.width > MAX_WIDTH:
        raise ValueError(
            f"a FloatQuant must have the values of e{{E}}m{{M}} or a type of ml_dtypes, of at most {MAX_WIDTH} bits, "
            f"not {plain.name} up to {top:g} in {title!r}"
        )
    has_nan = bool(options.get("has_nan", 0))
    format = min(known, key=lambda each: each.has_nan != has_nan)
    return format, 0, lambda tensor: round_to(tensor, format)


def _rounding(title: str, options: dict[str, Any], allowed: list[str]) -> Callable[[Array], Array]:
    name = options.get("rounding_mode", b"ROUND").decode().upper()
    if name not in allowed:
        raise ValueError(f"rounding mode must be {', '.join(allowed)}, not {name!r} in {title!r}")
    return ROUNDINGS[name]


def _whole(title: str, name: str, value: Array) -> int:
    if value.size != 1 or not np.isfinite(value).all() or np.any(value != np.rint(value)):
        raise ValueError(f"{name} must be one whole number, not {value.tolist()} in {title!r}")
    return int(value.reshape(()))


def _one(title: str, name: str, value: Array) -> float:
    """A number that may come in any number of dimensions."""
    if value.size != 1:
        raise ValueError(f"{name} must be one number, not {value.tolist()} in {title!r}")
    return float(value.reshape(()))
