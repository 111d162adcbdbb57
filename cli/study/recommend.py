"""``fewbit study recommend``: a pair of formats for a network and an FPGA, out of what the study measured."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..common.console import print_json, screen
from ..common.designs import choose_targets
from ..common.options import Json, Requantizer
from ..common.options import family as family_option
from ..common.study_options import RESULTS, Edges, Results, Whole, results_of

if TYPE_CHECKING:
    from ...study.choice.recommend import Recommendation

__all__ = ["recommend"]


def recommend(
    model: Annotated[str, typer.Option("--model", metavar="NETWORK", help="A network that was studied, as resnet8.")],
    family: Annotated[str, family_option("The FPGA:")] = "xc7",
    min_accuracy: Annotated[
        float | None, typer.Option("--min-accuracy", help="Least accuracy, as a share of the float32 network's: 0.99.")
    ] = None,
    max_luts: Annotated[
        int | None,
        typer.Option("--max-luts", min=1, help="Most LUTs of one MAC, or of all with --evaluation network."),
    ] = None,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="--min-accuracy is a value of the metric itself.")
    ] = False,
    evaluation: Whole = None,
    requantizer: Requantizer = False,
    edges: Edges = None,
    results: Results = RESULTS,
    json: Json = False,
) -> None:
    """Recommend a pair of formats: the cheapest that is accurate enough, or the most accurate that is cheap enough.

    What is priced is a MAC, or with --evaluation network the whole accelerator of the network, of which accuracies are
    then too. It says why, and which command writes the Verilog. Give exactly one of --min-accuracy and --max-luts.
    Hardware without DSPs is compared, since a price with DSPs is two numbers, which `fewbit price --dsp auto` shows.
    The exit status is 1 if no pair is as accurate or as cheap as that.
    """
    from ...study.choice.findings import read_findings
    from ...study.choice.recommend import recommend as find

    if (min_accuracy is None) == (max_luts is None):
        raise ValueError("exactly one of --min-accuracy and --max-luts must be given")
    targets = choose_targets(family)
    if len(targets) != 1:
        raise ValueError(f"family must be a single one, not {family!r}")
    found = find(
        read_findings(results_of(results, evaluation), whole=evaluation is not None),
        model=model,
        target=targets[0].name,
        min_accuracy=min_accuracy,
        max_luts=max_luts,
        absolute=absolute,
        requantizer=requantizer,
        edges=edges,
    )
    if json:
        print_json(found.to_dict())
    else:
        _show(found)


def _show(found: "Recommendation") -> None:
    point = found.candidate.point
    console = screen()
    console.print(f"[bold]weights {point.weight}, activations {point.activation}[/bold]")
    console.print(found.why, soft_wrap=not console.is_terminal)
    console.print(f"How it was quantized: {found.scheme}.", soft_wrap=not console.is_terminal)
    print(found.command)
