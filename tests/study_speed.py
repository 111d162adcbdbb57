"""CPU time of the study's evaluations of a network, as multiples of onnxruntime's own float32 on the same samples,
and the most memory that they took.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/study_speed.py --model resnet8 --format int8 --samples 1000

With --layers, the CPU time of what `fewbit study layers` measures of a pair of formats, the sensitivity of every layer,
as a multiple of what a point of that pair takes in its float evaluation, both with their quantization.
"""

import argparse
import resource
import time
from collections.abc import Callable

from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.measurement.sensitivity import sensitivity
from fewbit.study.network.execute import batches
from fewbit.study.network.runtime import run_session, session
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.zoo.networks import network


def cpu_time(call: Callable[[], object]) -> float:
    """The CPU time of a call, in seconds."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet8")
    parser.add_argument("--format", default="int8")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5, help="of which the quickest counts, for each in turn")
    parser.add_argument("--layers", action="store_true", help="sensitivities of layers in the place of evaluations")
    given = parser.parse_args()
    study = Study(network(given.model), samples=given.samples)
    format = parse(given.format)
    scheme = Scheme(weight=format, activation=format)
    layers = study.quantized(scheme)
    if given.layers:
        point = cpu_time(lambda: study.outputs(study.quantized(scheme), "float"))
        taken = cpu_time(lambda: sensitivity(study, (format, format), scheme))
        print(f"{given.model} {given.format} layers: {taken / point:.2f} of a point with {given.samples} samples")
        return
    whole = session(study.network.content(), 1)

    def plain() -> None:
        for batch in batches(study.test, study.batch):
            run_session(whole, [study.graph.output], batch)

    plain()
    for evaluation in ("float", "integer"):

        def evaluate(evaluation: str = evaluation) -> None:
            study.outputs(layers, evaluation)

        taken = zip(*((cpu_time(plain), cpu_time(evaluate)) for _ in range(given.times)), strict=True)
        base, own = map(min, taken)
        print(f"{given.model} {given.format} {evaluation}: {own / base:.1f} times onnxruntime's float32")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{given.model} {given.format}: {peak:.2f} GB of memory at the peak")


if __name__ == "__main__":
    main()
