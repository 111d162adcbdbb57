"""``fewbit study report``: the study as one page to explore, pictures, and data."""

from pathlib import Path

import typer

from ..common.command import command_line
from ..common.console import print_json, progress
from ..common.options import Json, Out
from ..common.study_options import RESULTS, Results, Whole, results_of

__all__ = ["report"]


def report(
    context: typer.Context,
    evaluation: Whole = None,
    results: Results = RESULTS,
    out: Out = Path("out/report"),
    json: Json = False,
) -> None:
    """Write report.html, the fronts as SVG and PNG, and the data as CSV and Parquet.

    The page holds all that it needs: it opens from disk, without a network. Points are those with float32 between
    layers and prices those of MACs; with --evaluation network, both are of whole networks.
    """
    from ...study.choice.findings import read_findings
    from ...study.report.write import report_files
    from ...synth import write_bytes
    from ..common.files import check_folder

    findings = read_findings(results_of(results, evaluation), whole=evaluation is not None)
    check_folder(out)
    written = []
    with progress("Report") as told:
        for name, content in report_files(findings, command_line(context), told):
            write_bytes(out / name, content)
            written.append(str(out / name))
    if json:
        print_json({"files": written})
    else:
        print(*written, sep="\n")
