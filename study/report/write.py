"""The report is one HTML page that needs no network, with pictures of the fronts and the data behind them."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..choice.findings import Findings
from ..choice.pareto import join, targets_of
from .charts import figure, save
from .data import ReportView, metric_title, record, rows, slug, views
from .page import page

__all__ = ["report_files"]


def report_files(
    findings: Findings, command: str, progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the report with its name. The same findings and command give the same bytes.

    The files are ``report.html``; ``study.csv`` and ``study.parquet`` with a line for each point and target; and
    ``front_<network>_<family>.svg`` and ``.png`` for each network and target. ``progress`` is called with the numbers
    of finished and of all files. Raises ValueError if there are no points or no prices.
    """
    prices = findings.every_price
    known, targets = views(findings), targets_of(prices)
    if not known or not targets:
        raise ValueError(
            f"findings must have points and prices, not {len(findings.points) - findings.without_score} of the one and "
            f"{len(prices) - findings.with_dsps} of the other; points without a score (NaN) do not count, and "
            "prices with DSPs do not"
        )
    total = 3 + 2 * len(known) * len(targets)
    for number, file in enumerate(_files(findings, command, known, targets)):
        progress(number, total)
        yield file
    progress(total, total)


def _files(
    findings: Findings, command: str, known: Sequence[ReportView], targets: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    yield "report.html", page(findings, command, known, targets).encode()
    records = [
        record(view, target, candidate)
        for view in known
        for target in targets
        for candidate in join(view.points, findings.every_price, target)
    ]
    yield "study.csv", _csv(records)
    yield "study.parquet", _parquet(records)
    for view in known:
        for target in targets:
            drawn = rows(join(view.points, findings.every_price, target))
            if any(each[name] is not None for each in drawn for name in ("luts", "network_luts")):
                title = f"{view.title} on {target}: {metric_title(view)}, against the cost of its arithmetic"
                for suffix, content in save(figure(drawn, title, _NOTE)).items():
                    yield f"front_{slug(view.name)}_{slug(target)}{suffix}", content


_NOTE = (
    "Lines: Pareto fronts of the kinds of pairs; the grey band: of all. Bars on fronts: one standard "
    "error. Dotted: float32. What has less than half of float32's accuracy is left out."
)


def _csv(records: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def _parquet(records: Sequence[dict[str, Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(records)), buffer)
    return buffer.getvalue()
