"""What the study measured: how accurate one network is under one scheme."""

from dataclasses import MISSING, asdict, dataclass, field, fields
from math import isfinite
from typing import Any, Self

from ...formats import EXACT
from ..quantization.scheme import SCALE_PER

__all__ = ["EVALUATIONS", "Point", "check_evaluation"]

EVALUATIONS = ("float", "integer")

_FIGURES = ("metrics", "standard_errors", "float32")
_WHOLE = ("samples", "macs", "longest_dot", "accumulator_bits", "weight_bits", "activation_bits")


def check_evaluation(evaluation: str) -> None:
    """Raise ValueError for what is no evaluation."""
    if evaluation not in EVALUATIONS:
        raise ValueError(f"evaluation must be {' or '.join(EVALUATIONS)}, not {evaluation!r}")


@dataclass(frozen=True, kw_only=True)
class Point:
    """The accuracy of a network under a scheme, with what it depends on.

    Members
    -------
    network: name, as ``zoo.networks()`` has it, or of the user's model
    weight, activation, edges, scale_per, scale_format, block_size, techniques, layers: see ``Scheme``; formats by name
    evaluation: ``integer`` by the golden model, exact as the hardware; ``float`` by onnxruntime in float32
    samples: so many inputs of the test set, the first ones
    metric: name of the first metric, which is the one to compare by; larger is better
    metrics, standard_errors: by name: top1 and the like as shares (0 to 1), sqnr in dB
    float32: the same metrics of the network as it came, on the same samples
    macs: multiply-accumulates of one sample in layers that are quantized
    longest_dot: most products in one sum
    accumulator_bits: that sums of so many products need whatever the weights are; with scales by blocks those of one
        block, since blocks are added in float32
    needed_accumulator_bits: that these weights need, whatever the activations are (products of two activations need
        what any would); the bias is the requantizer's
    weight_bits, activation_bits: moved for one sample: codes of all weights once, codes of all operands that are
        activations once, and the scales of blocks; other scales are not included. With scales by blocks a convolution's
        patches count in full: a value has another code in each
    products: share of the MACs that multiply two activations, as attention does
    seed, versions, fingerprint: of random choices; of fewbit, numpy and onnxruntime; of model, data and scheme
    seconds: that it took
    network_hash: of name, model, data and metrics: points of equal ones can be compared; empty in older files
    skipped: kinds of nodes that were left in float32 and multiply, or may, and how many; not counted in any figure
    element: what multiplied and added, as ``Element.text`` has it
    output: the output that is judged, where it was chosen; empty for the network's first
    notes: what else is to be known of the network, in words: outputs that are not judged, samples one after the other
    """

    network: str
    weight: str
    activation: str
    edges: str | None
    scale_per: str
    scale_format: str
    block_size: int | None
    techniques: tuple[str, ...]
    layers: dict[str, tuple[str, str]]
    evaluation: str
    samples: int
    metric: str
    metrics: dict[str, float]
    standard_errors: dict[str, float]
    float32: dict[str, float]
    macs: int
    longest_dot: int
    accumulator_bits: int
    needed_accumulator_bits: int
    weight_bits: int
    activation_bits: int
    products: float
    seed: int
    versions: dict[str, str]
    fingerprint: str
    seconds: float
    network_hash: str = ""
    skipped: dict[str, int] = field(default_factory=dict)
    element: str = EXACT.text
    output: str = ""
    notes: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float:
        """The metric to compare by."""
        return self.metrics[self.metric]

    @property
    def standard_error(self) -> float:
        return self.standard_errors[self.metric]

    @property
    def relative(self) -> float:
        """Accuracy as a share of the float32 network's."""
        return self.accuracy / self.float32[self.metric]

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the pair of formats is chosen: scales by channel in bfloat16, and that everywhere."""
        special = self.edges or self.techniques or self.layers or self.scale_per != "channel"
        return not special and self.scale_format == "bfloat16" and self.element == EXACT.text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; what is infinite or NaN, as the SQNR of float32 itself, is text. The exact element is left
        out."""
        values = asdict(self)
        if self.element == EXACT.text:
            del values["element"]
        for name in _FIGURES:
            values[name] = {key: value if isfinite(value) else str(value) for key, value in values[name].items()}
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises ValueError where a field is missing or unknown."""
        names = {each.name for each in fields(cls)}
        needed = {each.name for each in fields(cls) if each.default is each.default_factory is MISSING}
        if not needed <= {*values} <= names:
            raise ValueError(f"a point must have exactly the fields {sorted(names)}, not {sorted(values)}")
        try:
            layers = {layer: (str(w), str(a)) for layer, (w, a) in values["layers"].items()}
            figures = {name: {key: float(value) for key, value in values[name].items()} for name in _FIGURES}
            whole = [values[name] for name in _WHOLE]
            known = all(values["metric"] in figures[name] for name in _FIGURES)
            techniques, notes = (tuple(map(str, values.get(name, ()))) for name in ("techniques", "notes"))
        except (AttributeError, TypeError, ValueError):
            raise ValueError("a point must have figures and layers by name, and a list of techniques") from None
        if not known or not all(isinstance(count, int) for count in whole) or values["scale_per"] not in SCALE_PER:
            raise ValueError(
                f"a point must have figures of its metric, whole {', '.join(_WHOLE)}, and a known scale_per"
            )
        return cls(**{**values, **figures, "techniques": techniques, "notes": notes, "layers": layers})
