"""``fewbit export``: a quantized network as QONNX, for FINN and whoever else reads it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.console import print_json, print_table, progress
from ..common.options import Activation, Formats, Json, Out, choose_pairs
from ..common.study_options import Calibration, Edges, Model, ScaleFormat, Seed, choose_scheme, choose_sources

if TYPE_CHECKING:
    from ...study.quantization.scheme import Scheme
    from ...study.sweep import Source

__all__ = ["export"]


def export(
    model: Model = "resnet8",
    weight: Formats = None,
    activation: Activation = None,
    calibration: Calibration = None,
    scale_per: Annotated[str, typer.Option("--scale-per", help="tensor or channel (of weights).")] = "channel",
    scale_format: ScaleFormat = "bfloat16",
    edges: Edges = None,
    techniques: Annotated[
        str, typer.Option("--techniques", help="Of equalize, smooth, gptq, rounding, bias, with + between, or none.")
    ] = "none",
    batch: Annotated[
        int, typer.Option("--batch", min=0, help="Samples at a time, fixed in the file; 0 leaves it open.")
    ] = 1,
    seed: Seed = 0,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Quantize networks, as `study` does, and write NETWORK_WEIGHT_ACTIVATION.onnx with QONNX's quantizers in it.

    Run by the qonnx package it gives the outputs of the float evaluation. `fewbit study --model FILE` reads it back.
    """
    from ...study.quantization.qonnx_write import check_format
    from ...synth import write_bytes
    from ..common.files import check_folder

    sources = choose_sources(model, calibration, calibration, None)
    pairs = choose_pairs(weight, activation)
    schemes = [choose_scheme(w, a, edges, scale_per, scale_format, None, techniques) for w, a in pairs]
    for format in dict.fromkeys(format for pair in pairs for format in pair):
        check_format(format)
    check_folder(out)
    rows: list[dict[str, Any]] = []
    total = len(sources) * len(schemes)
    with progress("Exporting") as report:
        for source in sources:
            study = _study(source, seed)
            for scheme in schemes:
                report(len(rows), total)
                file = out / f"{source.name}_{scheme.weight.label}_{scheme.activation.label}.onnx"
                content, quantizers = _written(study, scheme, batch)
                write_bytes(file, content)
                row = {"network": source.name, "weight": scheme.weight.name, "activation": scheme.activation.name}
                rows.append({**row, "quantizers": quantizers, "bytes": len(content), "file": str(file)})
        report(total, total)
    if json:
        print_json({"files": rows})
    else:
        print_table(_table(rows))


def _study(source: "Source", seed: int) -> Any:
    from ...study.measurement.evaluate import Study

    return Study(source.network(), samples=1, seed=seed)


def _written(study: Any, scheme: "Scheme", batch: int) -> tuple[bytes, int]:
    """The file's content, and how many quantizers it has."""
    import onnx

    from ...study.network.quantizer import is_quantizer
    from ...study.quantization.qonnx_write import write_qonnx

    content = write_qonnx(study.graph, study.quantized(scheme), batch or None)
    return content, sum(map(is_quantizer, onnx.load_model_from_string(content).graph.node))


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table()
    for name in rows[0]:
        table.add_column(name, justify="right" if name in ("quantizers", "bytes") else "left")
    for row in rows:
        table.add_row(*map(str, row.values()))
    return table
