"""``fewbit study weights``: what rounded weights lose in every format, by channels and by blocks."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.command import command_line
from ..common.console import print_json, print_table, progress
from ..common.options import STUDY_FORMATS_HELP, Append, Json, Out
from ..common.options import weights as weights_option
from ..common.study_options import Model

if TYPE_CHECKING:
    from ...study.measurement.weight_accuracy import WeightAccuracy
    from ...study.measurement.weight_noise import WeightNoise
    from ...study.quantization.tensor_formats import Operand

__all__ = ["weights"]

SIZES = (16, 32, 64, 128)


def weights(
    context: typer.Context,
    weight: Annotated[str, weights_option(STUDY_FORMATS_HELP, required=True)] = "3bit,4bit",
    model: Model = "resnet8,vit",
    scale_per: Annotated[
        str,
        typer.Option(
            "--scale-per",
            metavar="LIST",
            help="What shares a scale: channel, or a number of weights along K (16 to 128); several with commas.",
        ),
    ] = "channel",
    columns: Annotated[
        int | None,
        typer.Option("--columns", min=1, show_default="all", help="Most output channels of a layer that are rounded."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, show_default="none", help="Run the network on so many test samples, too."),
    ] = None,
    append: Append = False,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Round the weights of networks to formats, and write the signal-to-noise ratios: weights.csv and weights.json.

    Nothing is run, so that it takes seconds. Scales have the least squared error, and are bfloat16. An ONNX file needs
    no samples.

    With --samples, networks are run with the rounded weights, and nothing else is rounded: accuracy.csv and
    accuracy.json. Scales then have the least error of each layer's results. With --append, the same command goes on
    from where it was stopped.
    """
    from ...study.measurement.weight_noise import NAMES, weight_noises, write_noises
    from ...study.network.graph import Graph
    from ...study.network.network import read_model
    from ...study.quantization.tensor_formats import parse_operands
    from ...study.zoo.networks import network
    from ..common.files import check_folder

    operands, sizes = parse_operands(weight), [_size(text.strip()) for text in scale_per.split(",")]
    if samples is not None:
        if model.endswith(".onnx") or columns is not None:
            other = "--columns" if columns is not None else f"the file {model!r}"
            raise ValueError(f"samples must be given for all columns of networks of the zoo, not with {other}")
        measured = _accuracies(model, operands, sizes, samples, append, out, command_line(context))
        if json:
            print_json({"accuracies": [vars(each) for each in measured]})
        else:
            print_table(_table_of_accuracies(measured))
            print(f"written: {out / 'accuracy'}.csv and .json")
        return
    if append:
        raise ValueError("append must be given with --samples, without which nothing takes long")
    check_folder(out, *NAMES)
    if model.endswith(".onnx"):
        contents = {Path(model).stem: read_model(Path(model))}
    else:
        contents = {name: network(name).content() for name in (part.strip() for part in model.split(","))}
    found: list[WeightNoise] = []
    with progress("Rounding") as report:
        for name, content in contents.items():
            for each in weight_noises(name, Graph(content), operands, sizes, columns):
                found.append(each)
                report(len(found), len(contents) * len(operands) * len(sizes))
    write_noises(found, out, command_line(context))
    if json:
        print_json({"weights": [vars(each) for each in found]})
    else:
        print_table(_table(found))
        print(f"written: {', '.join(str(out / each) for each in NAMES)}")


def _accuracies(
    model: str, operands: "list[Operand]", sizes: list[int | None], samples: int, append: bool, out: Path, command: str
) -> "list[WeightAccuracy]":
    """All accuracies that were asked for. Each is written as soon as it is there."""
    from ...study.measurement.evaluate import Study
    from ...study.measurement.weight_accuracy import NAMES, read_accuracies, weight_accuracies, write_accuracies
    from ...study.zoo.networks import network
    from ..common.files import check_folder

    check_folder(out, *NAMES)
    kept = out / NAMES[0]
    found, commands = read_accuracies(kept) if append and kept.exists() else ([], [])
    names, asked = [name.strip() for name in model.split(",")], len(operands) * len(sizes)
    with progress("Rounding and running") as report:
        for place, name in enumerate(names):
            zoo = network(name)
            study = Study(replace(zoo, metrics=(*dict.fromkeys((*zoo.metrics, "sqnr")),)), samples)
            known = {each.question for each in found if each.network == name}
            for number, each in enumerate(weight_accuracies(study, operands, sizes, known)):
                found.append(each)
                write_accuracies(found, out, [*commands, command])
                report(place * asked + number + 1, len(names) * asked)
    return found


def _table_of_accuracies(found: "list[WeightAccuracy]") -> Any:
    from rich.table import Table

    from ...formats import label_of

    table = Table("network", "weight", "scale per")
    for name in ("bits", "samples", *dict.fromkeys(name for each in found for name in each.metrics)):
        table.add_column(name, justify="right")
    for each in found:
        shared = "channel" if each.block_size is None else f"{each.block_size} weights"
        figures = (
            ""
            if name not in each.metrics
            else f"{each.metrics[name]:.1f} dB"
            if name == "sqnr"
            else f"{100 * each.metrics[name]:.2f} ± {100 * each.standard_errors[name]:.2f}"
            for name in dict.fromkeys(name for one in found for name in one.metrics)
        )
        table.add_row(each.network, label_of(each.weight), shared, f"{each.bits:.2f}", str(each.samples), *figures)
    return table


def _size(text: str) -> int | None:
    """The size of a block, or None for channels. Raises ValueError."""
    if text == "channel":
        return None
    if not text.isdecimal() or int(text) not in SIZES:
        raise ValueError(f"scale_per must be of channel, {', '.join(map(str, SIZES))}, not {text!r}")
    return int(text)


def _table(found: "list[WeightNoise]") -> Any:
    """A line for each network and format, with a column for each of what shares a scale."""
    from rich.table import Table

    from ...formats import label_of

    sizes = [*dict.fromkeys(each.block_size for each in found)]
    table = Table("network", "weight")
    for size in sizes:
        shared = "channel" if size is None else f"{size} weights"
        table.add_column(f"dB, scale per {shared}", justify="right")
        table.add_column("bits", justify="right")
    by_row: dict[tuple[str, str], list[str]] = {}
    for each in found:
        by_row.setdefault((each.network, label_of(each.weight)), []).extend((f"{each.sqnr:.1f}", f"{each.bits:.2f}"))
    for names, figures in by_row.items():
        table.add_row(*names, *figures)
    return table
