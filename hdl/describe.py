"""What the JSON beside a unit's Verilog says of formats, blocks and requantizations."""

from dataclasses import asdict
from typing import Any

from ..formats import Blocks, FixedPoint, Format, Requantization

__all__ = ["describe_blocks", "describe_format", "describe_requantization"]


def describe_format(format: Format) -> dict[str, Any]:
    return format.describe()


def describe_blocks(blocks: Blocks, form: FixedPoint | Format) -> dict[str, Any]:
    """Blocks, and the form that sums over them have."""
    return {
        "size": blocks.size,
        "weight_scale": blocks.weight_scale.name,
        "activation_scale": blocks.activation_scale.name,
        "accumulate": blocks.accumulate,
        **({"zero_points": True} if blocks.zero_points else {}),
        "sum": asdict(form) if isinstance(form, FixedPoint) else form.name,
    }


def describe_requantization(how: Requantization) -> dict[str, Any]:
    return {
        "output": describe_format(how.output),
        **{name: format and format.name for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale))},
        "bias_bits": how.bias_bits,
        "zero_point": how.zero_point,
        "relu": how.relu,
        "rounding": how.rounding.value,
        "overflow": how.overflow.value,
        "seed": how.seed,
    }
