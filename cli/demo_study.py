"""The demo's last part: what real networks lose in the formats that were priced, as Pareto fronts."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common.console import progress

if TYPE_CHECKING:
    from ..study.measurement.point import Point

__all__ = ["NETWORKS", "SAMPLES", "measure_points", "write_fronts"]

NETWORKS = ("resnet8", "vit")
SAMPLES = 1000


def measure_points(pairs: list[tuple[str, str]], jobs: int | None) -> "list[Point]":
    """The accuracy of both small networks in every pair, by the golden model: exact, as the hardware."""
    from ..formats import parse
    from ..study.quantization.scheme import Scheme
    from ..study.sweep import Job, Source, study

    asked = [
        Job(Source(name), Scheme(weight=parse(weight), activation=parse(activation)), "integer", SAMPLES)
        for name in NETWORKS
        for weight, activation in pairs
    ]
    with progress("Accuracy") as report, closing(study(asked, jobs=jobs, progress=report)) as points:  # type: ignore[type-var]
        found = {(point.network, point.weight, point.activation): point for point in points}
    return [found[name, *pair] for name in NETWORKS for pair in pairs]


def write_fronts(points: "list[Point]", rows: list[Any], out: Path, command: str) -> list[Path]:
    """The report's page, pictures and data, of these points and of the MACs' rows; returns the pictures to look at."""
    from ..study.choice.findings import Findings
    from ..study.prices.price import price_of
    from ..study.report.write import report_files
    from ..synth import write_bytes

    findings = Findings(points, [price_of(row, None) for row in rows], [command])
    with progress("Report") as report:
        files = list(report_files(findings, command, report))
    for name, content in files:
        write_bytes(out / name, content)
    return [out / name for name, _ in files if name.endswith(".png")]
