"""A point says how accurate one network is under one scheme."""

from dataclasses import MISSING, asdict, dataclass, field, fields
from math import isfinite
from typing import Any, Self

from ...formats import EXACT, Format
from ..quantization.scheme import SCALE_PER
from ..quantization.tensor_formats import parse_operand

__all__ = ["EVALUATIONS", "MIXED", "Point", "check_evaluation"]

EVALUATIONS = ("float", "integer", "network")
LAYERED = EVALUATIONS[:2]
"""Those in which what lies between layers is float32."""

MIXED = "mixed"
"""Stands in a point for formats that differ from layer to layer."""

_FIGURES = ("metrics", "standard_errors", "float32")
_WHOLE = ("samples", "macs", "longest_dot", "accumulator_bits", "weight_bits", "activation_bits", "held_bits")


def check_evaluation(evaluation: str, known: tuple[str, ...] = EVALUATIONS, between: Format | None = None) -> None:
    """Raise ValueError for anything but the name of an evaluation, and for ``between`` with another one than that of
    whole networks."""
    if evaluation not in known:
        *first, last = known
        raise ValueError(f"evaluation must be {', '.join(first)} or {last}, not {evaluation!r}")
    if between is not None and evaluation != "network":
        raise ValueError(f"between must be given with the evaluation network alone, not with {evaluation!r}")


@dataclass(frozen=True, kw_only=True)
class Point:
    """The accuracy of a network under a scheme, and what it depends on.

    Members
    -------
    network: its name, as ``zoo.networks()`` has it, or that of the user's model
    weight, activation, edges, scale_per, scale_format, block_size, techniques, layers: see ``Scheme``; formats by name.
        Where the formats of tensors were found by their values, ``layers`` has those of all layers
    evaluation: ``integer`` for the golden model of MACs and requantizers, which is exact, or ``float`` for onnxruntime
        in float32; what lies between layers is float32 in both. ``network`` for the golden model of a whole network
    samples: how many inputs of the test set were used, from the first on
    metric: the name of the first metric, by which points are compared. Larger is better
    metrics, standard_errors: the metrics by name, with their standard errors. top1 and the like are shares (0 to 1),
        and sqnr is in dB
    float32: the same metrics of the network as it came, on the same samples
    macs: multiply-accumulates of one sample in layers that are quantized
    longest_dot: how many products the longest sum has
    accumulator_bits: bits that sums of so many products need, whatever the weights are. With scales by blocks, they are
        those of one block, since blocks are added in float32
    needed_accumulator_bits: bits that these weights need, whatever the activations are. Products of two activations
        need what any weights would. The bias does not count, since the requantizer adds it
    weight_bits, activation_bits: bits that are moved for one sample: the codes of all weights once, the codes of all
        operands that are activations once, and the scales of blocks. Other scales do not count. With scales by blocks,
        all patches of a convolution count in full, since a value has another code in each
    held_bits: bits of what one sample holds while other layers compute, as the operand of a residual sum; once for each
        such tensor, in the format of ``between``, or float32
    products: the share of the MACs that multiply two activations, as attention does
    seed: the seed of random choices
    versions: the versions of fewbit, numpy and onnxruntime
    fingerprint: a hash of model, data and scheme
    seconds: how long it took
    network_hash: a hash of name, model, data and metrics. Points with the same hash can be compared. It is empty in
        older files
    skipped: how many nodes of each kind were left in float32 although they multiply, or may. No figure counts them
    element: what multiplied and added, as ``Element.text`` has it
    output: the output that is judged if it was chosen; empty for the network's first
    notes: sentences that a reader has to know, as on outputs that are not judged or samples that run one by one
    between: the format of what lies between layers; empty where that is float32
    scores, clusters: the first metric's score and the cluster of every sample, as ``scores.packed`` writes them; empty
        for sqnr, which has no such scores, and for samples without clusters
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
    held_bits: int
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
    between: str = ""
    scores: str = ""
    clusters: str = ""

    @property
    def accuracy(self) -> float:
        """The metric to compare by."""
        return self.metrics[self.metric]

    @property
    def standard_error(self) -> float:
        return self.standard_errors[self.metric]

    @property
    def relative(self) -> float:
        """The accuracy as a share of the float32 network's."""
        return self.accuracy / self.float32[self.metric]

    @property
    def has_pair(self) -> bool:
        """Whether weights have one format, and activations: not where each tensor or each layer has its own."""
        return all(name != MIXED and isinstance(parse_operand(name), Format) for name in (self.weight, self.activation))

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the pair of formats differs from the defaults, and all layers have that pair."""
        special = self.edges or self.techniques or self.layers or self.scale_per != "channel"
        return not special and self.scale_format == "bfloat16" and self.element == EXACT.text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values. What is infinite or NaN, as the SQNR of float32 itself, is text.

        The exact element and an empty ``between`` are left out.
        """
        values = asdict(self)
        if not self.between:
            del values["between"]
        if self.element == EXACT.text:
            del values["element"]
        for name in _FIGURES:
            values[name] = {key: value if isfinite(value) else str(value) for key, value in values[name].items()}
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The point with these values. Raises ValueError if a field is missing or unknown."""
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
