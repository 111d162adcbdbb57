"""A product with its answer, by the golden model: what a simulation of an engine is checked with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Engine, Format
from ..sim import beside_blocks, engine_matmul, scale_codes

__all__ = ["Example", "c_array", "example_arrays", "example_header", "example_of"]

MOST_ROWS = 40
"""Most rows of A, however large the panels are."""

SEED = 1


@dataclass(frozen=True)
class Example:
    """A product of an engine, of sizes that fill no panel evenly.

    Parameters
    ----------
    m, n, k: its sizes
    arrays: integers or codes, by the names of ``sim.engine_matmul``: matrices, and what comes with every column
    parameters: what is set once a product, by the names of the registers
    output: codes of C, (m, n)
    """

    m: int
    n: int
    k: int
    arrays: dict[str, NDArray[Any]]
    parameters: dict[str, int]
    output: NDArray[Any]


def example_of(engine: Engine) -> Example:
    """The example of an engine, the same at every call. Its scale is one that tells many outputs apart."""
    generator = np.random.default_rng(SEED)
    m, n = min(engine.tile_m + 1, MOST_ROWS), engine.columns + 1
    block = 1 if engine.blocks is None else engine.blocks.size
    k = min(engine.max_k, 2 * max(engine.k_step, block, 4) + 1)
    arrays = {
        "activation": _codes(generator, engine.activation, m, k),
        "weight": _codes(generator, engine.weight, k, n),
    }
    if engine.blocks is not None:
        blocks = -(-k // block)
        near_one = 2.0 ** generator.integers(-2, 3, (m + n, blocks))
        arrays["activation_scale"] = scale_codes(near_one[:m], engine.blocks.activation_scale)
        arrays["weight_scale"] = scale_codes(near_one[m:].T, engine.blocks.weight_scale)
        if engine.blocks.zero_points:
            arrays["weight_zero_point"] = _codes(generator, engine.weight, blocks, n)
    if "bias" in engine.channel_fields:
        half = 1 << min(engine.channel_fields["bias"], 16) - 1
        arrays["bias"] = generator.integers(-half, half, n)
    parameters = {}
    if "tensor_scale" in engine.tensor_fields:
        assert engine.requantization.tensor_scale is not None
        parameters["tensor_scale"] = int(scale_codes(1.5, engine.requantization.tensor_scale))
    if "zero_point" in engine.tensor_fields:
        parameters["zero_point"] = min(3, engine.requantization.output.max_integer)
    if "weight_zero_point" in engine.tensor_fields:
        parameters["weight_zero_point"] = min(1, engine.weight.max_integer)
    examples = [_with_scale(engine, arrays, parameters, 0.75 * 2.0**power) for power in range(-30, 6)]
    return max(examples, key=lambda example: len(np.unique(example.output)))


def _with_scale(engine: Engine, arrays: dict[str, NDArray[Any]], parameters: dict[str, int], scale: float) -> Example:
    arrays, parameters = dict(arrays), dict(parameters)
    m, k = arrays["activation"].shape
    n = arrays["weight"].shape[1]
    if engine.requantization.scale is not None:
        if engine.scale_per == "channel":
            spread = scale * (1 + np.arange(n) % 4 / 4)
            arrays["scale"] = scale_codes(spread, engine.requantization.scale)
        else:
            parameters["scale"] = int(scale_codes(scale, engine.requantization.scale))
    given: dict[str, Any] = arrays | parameters
    return Example(m, n, k, arrays, parameters, engine_matmul(engine, **given))


def _codes(generator: np.random.Generator, format: Format, *shape: int) -> NDArray[Any]:
    return generator.choice(np.array(format.codes), shape)


_NAMES = {
    "activation": ("a", "activation"),
    "weight": ("w", "weight"),
    "activation_scale": ("a_scales", "a_scale"),
    "weight_scale": ("w_scales", "w_scale"),
    "scale": ("scale", "scale"),
}
"""What arrays are called in C, and the type of their elements."""


def example_arrays(example: Example, engine: Engine) -> dict[str, NDArray[Any]]:
    """The arrays as a C program has them: zero points of blocks stand above the scales."""
    found = dict(example.arrays)
    if "weight_zero_point" in found:
        found["weight_scale"] = beside_blocks(engine, found["weight_scale"], found.pop("weight_zero_point"))
    return found


def example_header(module: str, example: Example, engine: Engine) -> str:
    """The example as a header of C: a function that gives the product, without a place for C, and the answer."""
    lines = [
        "/* A product and its answer, by fewbit's golden model. */",
        f'#include "{module}_host.h"',
        "",
    ]
    members = {"m": str(example.m), "n": str(example.n), "k": str(example.k)}
    for name, values in example_arrays(example, engine).items():
        member, kind = _NAMES.get(name, (name, ""))
        lines += c_array(f"example_{member}", f"{module}_{kind}" if kind else "int64_t", values)
        members[member] = f"example_{member}"
    lines += c_array("example_answer", f"{module}_output", example.output)
    members |= {name: str(value) for name, value in example.parameters.items()}
    return "\n".join(
        [
            *lines,
            f"static {module}_product example_product(void) {{",
            f"    static {module}_product product;",
            *(f"    product.{member} = {value};" for member, value in members.items()),
            "    return product;",
            "}",
            "",
        ]
    )


def c_array(name: str, kind: str, values: NDArray[Any]) -> list[str]:
    """The lines of an array of C of that name and kind."""
    flat = [str(value) for value in values.ravel().tolist()]
    rows = [", ".join(flat[start : start + 16]) for start in range(0, len(flat), 16)]
    return [f"static const {kind} {name}[] = {{", *(f"    {row}," for row in rows), "};"]
