"""The program of an accelerator for a network, from where that comes and a scheme."""

from .lowering import Lowered, ShapeRequest
from .measurement.evaluate import Study
from .quantization.scheme import Scheme
from .sweep import Source

__all__ = ["program_of"]


def program_of(source: Source, scheme: Scheme | None, request: ShapeRequest = ShapeRequest(), seed: int = 0) -> Lowered:  # noqa: B008  # frozen
    """The network quantized by a scheme, as an accelerator of the request runs it; None for one that came quantized.

    Its test samples are read besides those of the calibration, to see whether its inputs are bytes.

    Raises ValueError and OSError for a network that cannot be read, and ValueError by operator and layer where it has
    what no record computes, or where a record cannot compute with these formats and scales.
    """
    study = Study(source.network(), seed=seed)
    return study.lowered(study.quantized(scheme), scheme, request)
