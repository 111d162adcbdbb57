"""The networks that were trained with weights of one or two bits, and from which network each was."""

__all__ = ["FORMATS", "TRAINED", "WHOLE", "base_of"]

FORMATS = ("ternary", "bipolar", "int2")

TRAINED = {
    **{f"{base}_{format}": (base, format) for format in FORMATS for base in ("resnet8", "vit")},
    "resnet8_ternary_all": ("resnet8", "ternary"),
}
"""The networks by name: the network from whose weights training started, and the format of the weights.

All layers with weights have that format but the first and the last one, which it has too in those of ``WHOLE``. Weights
are exactly a scale of the output channel, a value of bfloat16, times a value of the format.
"""

WHOLE = frozenset({"resnet8_ternary_all"})
"""Those whose first and last layer have the format too, as an accelerator with one array has it."""


def base_of(name: str) -> str:
    """The network that one of ``TRAINED`` was made from; any other name as it is."""
    return TRAINED[name][0] if name in TRAINED else name
