"""C code for the host of an engine with a DMA: it lays rows out in memory and drives the registers."""

import numpy as np

from ..formats import Engine, MemoryOperand, memory_operands, memory_output
from ..formats.policy import Rounding
from ..hdl import MatmulDesign
from .example import Example, c_array, example_arrays, example_of
from .host import code_type, parameter_fields, parameter_writes
from .template import fill

__all__ = ["memory_host_files", "memory_simulation_files"]

WORD_BITS = 32

_MEANINGS = {
    "p": "P has a record for each of the n columns.",
    "a_scales": "A_SCALES is m by blocks.",
    "w_scales": "W_SCALES is blocks by n.",
}
"""What matrices are that not every engine has."""


def _matrices(engine: Engine) -> dict[str, MemoryOperand]:
    """Those that an engine has, in the order of the enumeration."""
    return {**memory_operands(engine), "c": memory_output(engine)}


def memory_host_files(design: MatmulDesign) -> dict[str, str]:
    """MODULE_host.h and MODULE_host.c, by name. They need MODULE.h beside them."""
    engine, module = design.engine, design.module
    assert engine.dma is not None
    matrices = _matrices(engine)
    named = {"module": module, "upper": module.upper()}
    said = [text for name, text in _MEANINGS.items() if name in matrices]
    return {
        f"{module}_host.h": fill(
            "memory_host.h",
            **named,
            meanings="".join(f" {text}" for text in said),
            matrices=", ".join(f"{module.upper()}_{name.upper()}" for name in matrices),
            beat=str(engine.dma.beat_bytes),
            fields="\n".join(f"    {line}" for line in parameter_fields(engine)),
            records=_record_declaration(engine, module),
        ),
        f"{module}_host.c": fill(
            "memory_host.c",
            **named,
            code_bits=", ".join(str(each.code_bits) for each in matrices.values()),
            stored_bits=", ".join(str(each.stored_bits) for each in matrices.values()),
            records=_record_function(engine, module),
            descriptors="\n".join(_descriptors(engine, module.upper())),
            parameters="\n".join(parameter_writes(engine, module.upper())),
        ),
    }


def _record_arguments(engine: Engine) -> str:
    kinds = {name: "int64_t" if name == "bias" else code_type(bits) for name, bits in engine.channel_fields.items()}
    return ", ".join(["uint8_t *records", "size_t column", *(f"{kind} {name}" for name, kind in kinds.items())])


def _record_declaration(engine: Engine, module: str) -> str:
    if not engine.channel_fields:
        return ""
    about = "/* Put what comes with a column into the records of P. */"
    return f"\n{about}\nvoid {module}_put_record({_record_arguments(engine)});\n"


def _record_function(engine: Engine, module: str) -> str:
    if not engine.channel_fields:
        return ""
    lines, place = [], 0
    stored = f"column * stored_bits[{module.upper()}_P]"
    for name, bits in engine.channel_fields.items():
        lines.append(f"    put_bits(records, {stored} + {place}, {bits}, (uint64_t){name});")
        place += bits
    return "\n".join(["", f"void {module}_put_record({_record_arguments(engine)}) {{", *lines, "}", ""])


def _descriptors(engine: Engine, upper: str) -> list[str]:
    """A write for every register that says where a matrix is."""
    assert engine.dma is not None
    lines = []
    for name, operand in _matrices(engine).items():
        matrix, register = f"{upper}_{name.upper()}", f"{upper}_{name.upper()}_ADDRESS"
        lines.append(f"    bus->write(context, {register}_OFFSET, (uint32_t)p->address[{matrix}]);")
        if engine.dma.address_bits > WORD_BITS:
            high = f"(uint32_t)(p->address[{matrix}] >> {WORD_BITS})"
            lines.append(f"    bus->write(context, {register}_HIGH_OFFSET, {high});")
        if operand.rows_over is not None:
            lines.append(f"    bus->write(context, {matrix}_STRIDE_OFFSET, (uint32_t)p->stride[{matrix}]);")
    return lines


def memory_simulation_files(design: MatmulDesign) -> dict[str, str]:
    """A program that runs the engine by Verilator with a memory, and the product with its answer for it."""
    engine, module = design.engine, design.module
    named = {"module": module, "upper": module.upper()}
    return {
        f"{module}_example.h": _example_header(design, example_of(engine)),
        f"{module}_sim.cpp": fill(
            "memory_sim.cpp",
            **named,
            bus=fill(f"sim_{engine.control}.cpp", **named),
            runs="1" if engine.requantization.rounding is Rounding.STOCHASTIC else "2",
        ),
    }


def _example_header(design: MatmulDesign, example: Example) -> str:
    """The example as a header of C: sizes and parameters, a function that fills memory, and the answer."""
    engine, module = design.engine, design.module
    upper = module.upper()
    matrices = _matrices(engine)
    arrays = {"a": "activation", "w": "weight", "a_scales": "activation_scale", "w_scales": "weight_scale"}
    lines = ["/* A product and its answer, by fewbit's golden model. */", f'#include "{module}_host.h"', ""]
    shapes, fills = [], []
    for name in matrices:
        matrix = f"{upper}_{name.upper()}"
        if name in arrays:
            codes = example_arrays(example, engine)[arrays[name]]
            shapes.append(codes.shape)
            lines += c_array(f"example_{name}", "uint64_t", codes)
            put = f"{module}_put({matrix}, places[{matrix}] + row * (size_t)product->stride[{matrix}], column, "
            fills += [
                f"    for (size_t row = 0; row < {codes.shape[0]}; row++)",
                f"        for (size_t column = 0; column < {codes.shape[1]}; column++)",
                f"            {put}example_{name}[row * {codes.shape[1]} + column]);",
            ]
        else:
            shapes.append((1, example.n) if name == "p" else (example.m, example.n))
    if engine.channel_fields:
        for name in engine.channel_fields:
            lines += c_array(f"example_{name}", "int64_t", np.asarray(example.arrays[name]))
        kinds = {name: "" if name == "bias" else f"({code_type(bits)})" for name, bits in engine.channel_fields.items()}
        values = ", ".join(f"{kind}example_{name}[column]" for name, kind in kinds.items())
        fills += [
            f"    for (size_t column = 0; column < {example.n}; column++)",
            f"        {module}_put_record(places[{upper}_P], column, {values});",
        ]
    lines += c_array("example_answer", "uint64_t", example.output)
    for axis, what in enumerate(("rows", "columns")):
        lines += c_array(f"example_{what}", "size_t", np.array([shape[axis] for shape in shapes]))
    members = {"m": example.m, "n": example.n, "k": example.k, **example.parameters}
    return "\n".join(
        [
            *lines,
            f"static {module}_product example_product(void) {{",
            f"    static {module}_product product;",
            *(f"    product.{member} = {value};" for member, value in members.items()),
            "    return product;",
            "}",
            "",
            f"static void example_fill(const {module}_product *product, uint8_t *const *places) {{",
            *fills,
            "}",
            "",
        ]
    )
