"""CPU time of the study's evaluations of a network, as multiples of onnxruntime's own float32 on the same samples,
and the most memory that they took.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/study_speed.py --model resnet8 --format int8 --samples 1000
"""

import argparse
import resource
import time
from collections.abc import Callable

from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.network.execute import batches
from fewbit.study.network.runtime import run_session, session
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.zoo.networks import network


def cpu_time(call: Callable[[], object], times: int = 3) -> float:
    """The least CPU time of some calls, in seconds, after one that is not counted."""
    call()
    found = []
    for _ in range(times):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet8")
    parser.add_argument("--format", default="int8")
    parser.add_argument("--samples", type=int, default=1000)
    given = parser.parse_args()
    study = Study(network(given.model), samples=given.samples)
    format = parse(given.format)
    layers = study.quantized(Scheme(weight=format, activation=format))
    whole = session(study.network.content(), 1)

    def plain() -> None:
        for batch in batches(study.test, study.batch):
            run_session(whole, [study.graph.output], batch)

    base = cpu_time(plain)
    for evaluation in ("float", "integer"):
        taken = cpu_time(lambda evaluation=evaluation: study.outputs(layers, evaluation))  # type: ignore[misc]
        print(f"{given.model} {given.format} {evaluation}: {taken / base:.1f} times onnxruntime's float32")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{given.model} {given.format}: {peak:.2f} GB of memory at the peak")


if __name__ == "__main__":
    main()
