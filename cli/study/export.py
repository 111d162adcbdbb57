"""``fewbit study export``: a quantized network as QONNX."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.console import print_json, print_table, progress
from ..common.designs import choose_pairs
from ..common.options import Activation, Formats, Json, Out
from ..common.signature import takes_options
from ..common.study_options import NetworkOptions, SchemeOptions, tell_notes

if TYPE_CHECKING:
    from ...study.measurement.evaluate import Study
    from ...study.quantization.scheme import Scheme
    from ...study.sweep import Source

__all__ = ["export"]


@takes_options
def export(
    networks: NetworkOptions,
    weight: Formats = None,
    activation: Activation = None,
    how: SchemeOptions = SchemeOptions(),  # noqa: B008  # frozen
    batch: Annotated[
        int, typer.Option("--batch", min=0, help="Samples at a time, fixed in the file; 0 leaves it open.")
    ] = 1,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Quantize networks, as `study run` does, and write NETWORK_WEIGHT_ACTIVATION.onnx with QONNX's quantizers in it.

    The qonnx package runs the file and gives the outputs of the float evaluation. `fewbit study run --model FILE` reads
    it back. With --test, --metric or --samples, the table also says how accurate it is. FINN, FINN+ and hls4ml read
    only integers of up to 8 bits: minifloats become FloatQuant, which they do not know. Dimensions other than the batch
    are those of the samples, since QONNX wants numbers.
    """
    from ...study.quantization.qonnx_write import check_format
    from ...synth import write_bytes
    from ..common.files import check_folder

    judged = (networks.test, networks.metric, networks.samples) != (None, None, None)
    sources = replace(networks, test=networks.test or networks.calibration).sources()
    pairs = choose_pairs(weight, activation)
    if how.scale_per == "block":
        raise ValueError("scale_per must be tensor or channel for QONNX, not 'block'")
    schemes = how.schemes(pairs)
    if len(schemes) > len(pairs):
        raise ValueError(f"techniques must be one set with + between for a file, not {how.techniques!r}")
    for format in dict.fromkeys(format for pair in pairs for format in pair):
        check_format(format)
    check_folder(out)
    rows: list[dict[str, Any]] = []
    notes: dict[str, Any] = {}
    total = len(sources) * len(schemes)
    with progress("Exporting") as report:
        for source in sources:
            study = _study(source, networks, judged)
            for scheme in schemes:
                report(len(rows), total)
                file = out / f"{source.name}_{scheme.weight.label}_{scheme.activation.label}.onnx"
                content, quantizers = _written(study, scheme, batch)
                write_bytes(file, content)
                row = {"network": source.name, "weight": scheme.weight.name, "activation": scheme.activation.name}
                rows.append({**row, "quantizers": quantizers, "bytes": len(content)})
                if judged:
                    point = study.point(scheme, "float")
                    rows[-1] |= {"metric": point.metric, "accuracy": point.accuracy}
                rows[-1]["file"] = str(file)
            notes[source.name] = (study.graph.skipped, study.notes)
        report(total, total)
    if json:
        print_json({"files": rows})
    else:
        print_table(_table(rows))
        for name, (skipped, more) in notes.items():
            tell_notes(name, skipped, more)


def _study(source: "Source", networks: NetworkOptions, judged: bool) -> "Study":
    from ...study.measurement.evaluate import Study
    from ...study.network.metrics import check_expected

    study = Study(source.network(), networks.samples if judged else 1, networks.seed, static=True)
    if study.graph.quantized:
        raise ValueError("model must not have come quantized to be written: its file has its own quantizers")
    if judged:
        check_expected(study.network.metrics, study.test)
    return study


def _written(study: "Study", scheme: "Scheme", batch: int) -> tuple[bytes, int]:
    """The content of the file, and how many quantizers it has."""
    import onnx

    from ...study.network.quantizer import is_quantizer
    from ...study.quantization.qonnx_write import write_qonnx

    content = write_qonnx(study.graph, study.quantized(scheme), batch or None)
    return content, sum(map(is_quantizer, onnx.load_model_from_string(content).graph.node))


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table()
    for name in rows[0]:
        table.add_column(name, justify="right" if name in ("quantizers", "bytes", "accuracy") else "left")
    for row in rows:
        table.add_row(*(f"{each:.4g}" if isinstance(each, float) else str(each) for each in row.values()))
    return table
