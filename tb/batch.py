"""Many designs run in one simulation: their Verilog is put together, and so are their stimuli."""

import re
from collections.abc import Sequence

from .stimulus import Stimulus, extreme_pairs
from .unit import DescribedUnit

__all__ = ["LOWEST", "MODULE", "OUTPUTS", "SHARED", "combine", "output_width", "rename_modules", "wrapper"]

MODULE = "batch"
OUTPUTS = "outputs"
SHARED, LOWEST, HIGHEST = 0, 1, 2
"""Values of the input ``mode``: operands are shared, or each design has those of its least or greatest product."""

_NAME = r"(?:\\\S+|[A-Za-z_]\w*)"
_MODULE = re.compile(rf"^\s*module\s+({_NAME})", re.MULTILINE)


def rename_modules(verilog: str, prefix: str) -> str:
    """Put ``prefix`` in front of every name of a module, where it is defined and where it is instantiated."""
    names = set(_MODULE.findall(verilog))

    def rename(match: re.Match[str]) -> str:
        before, name = match.groups()
        if name not in names:
            return match[0]
        return before + (f"\\{prefix}{name[1:]}" if name.startswith("\\") else prefix + name)

    # A definition, or an instance: two names in a row, or a name and its parameters.
    pattern = rf"^(\s*(?:module\s+)?)({_NAME})(?=\s*\(|\s*;|\s*#\s*\(|\s+{_NAME}\s*\()"
    return re.sub(pattern, rename, verilog, flags=re.MULTILINE)


def output_width(unit: DescribedUnit) -> int:
    return sum(unit.ports[name].width for name in unit.outputs)


def wrapper(designs: Sequence[tuple[str, DescribedUnit]]) -> str:
    """Verilog of a module with the inputs of one ``mac`` and the outputs of all. Those of the first design are lowest.

    Parameters
    ----------
    designs: for each ``mac``, the name of its (renamed) top module and the unit
    """
    weight_bits = max(unit.weight.width for _, unit in designs)
    activation_bits = max(unit.activation.width for _, unit in designs)
    instances = []
    base = 0
    for k, (module, unit) in enumerate(designs):
        connections = [f".{name}({name})" for name in ("clk", "rst", "valid", "first")]
        (low_w, low_a), (high_w, high_a) = extreme_pairs(unit)
        for name, format, low, high in (
            ("weight", unit.weight, low_w, high_w),
            ("activation", unit.activation, low_a, high_a),
        ):
            bits = format.width
            own = f"mode == {LOWEST} ? {bits}'d{low} : {bits}'d{high}"
            connections.append(f".{name}(mode == {SHARED} ? {name}[{bits - 1}:0] : {own})")
        for name in reversed(unit.outputs):
            connections.append(f".{name}({OUTPUTS}[{base + unit.ports[name].width - 1}:{base}])")
            base += unit.ports[name].width
        instances.append(f"  {module} design_{k} ({', '.join(connections)});\n")
    return (
        f"module {MODULE}(input clk, input rst, input valid, input first, input [1:0] mode,\n"
        f"    input [{weight_bits - 1}:0] weight, input [{activation_bits - 1}:0] activation,\n"
        f"    output [{base - 1}:0] {OUTPUTS});\n{''.join(instances)}endmodule\n"
    )


def combine(units: Sequence[DescribedUnit], stimuli: Sequence[Stimulus], mode: Sequence[int]) -> Stimulus:
    """Put the stimuli of the designs together for the wrapper. They differ only in operands and outputs."""
    widest_weight = max(range(len(units)), key=lambda k: units[k].weight.width)
    widest_activation = max(range(len(units)), key=lambda k: units[k].activation.width)
    inputs = {name: stimuli[0].inputs[name] for name in ("rst", "valid", "first")}
    inputs["weight"] = stimuli[widest_weight].inputs["weight"]
    inputs["activation"] = stimuli[widest_activation].inputs["activation"]
    inputs["mode"] = [*mode]
    columns = [
        stimulus.expected[name]
        for unit, stimulus in zip(reversed(units), reversed(stimuli), strict=True)
        for name in unit.outputs
    ]
    digits = ["".join(str(bits) for bits in row) for row in zip(*columns, strict=True)]
    return Stimulus(inputs, {OUTPUTS: [*digits]}, stimuli[0].operand_pairs)
