"""The C code of the host: its bytes are those of the golden model's packing, and it runs products on the simulated
engine."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from fewbit.formats import Blocks, Engine, Requantization, Rounding, parse
from fewbit.hdl import Design
from fewbit.integrate.example import example_of
from fewbit.integrate.fusesoc import simulation_files
from fewbit.integrate.host import host_files
from fewbit.sim import pack
from verilated_program import build_program, called

INT8, INT3, E2M1, E8M0 = (parse(name) for name in ("int8", "int3", "e2m1", "float8_e8m0fnu"))
TO_INT8 = Requantization(INT8, scale=parse("dyadic32s6"), bias_bits=13, zero_point=True)

ENGINES = {
    "a scale for every column, beats of 4 bytes": Engine(
        *(INT3, INT8, TO_INT8), bus_bits=32, scale_per="channel", lanes=3, outputs=2, columns=6, max_k=40
    ),
    "weight-stationary, a zero point of the weights": Engine(
        *(INT8, INT8, TO_INT8), dataflow="weight_stationary", weight_zero_point=True, lanes=2, rows=3, tile_m=5
    ),
    "Wishbone, beats of a byte": Engine(
        *(INT3, parse("e3m2"), Requantization(parse("e4m3"), scale=E8M0)),
        **{"control": "wishbone", "bus_bits": 8, "lanes": 2, "rows": 3, "tile_m": 6, "outputs": 2},
    ),
    "blocks with zero points": Engine(
        *(INT3, E2M1, Requantization(parse("bfloat16"))), blocks=Blocks(16, E8M0, E8M0, zero_points=True), lanes=2
    ),
    "stochastic rounding, two scales": Engine(
        *(E2M1, INT8, Requantization(INT8, E8M0, parse("float32"), rounding=Rounding.STOCHASTIC)), outputs=4, columns=8
    ),
}

GCC = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic"]

DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include "matmul_example.h"

/* A matrix with a gap behind every row. */
#define SPREAD(kind, matrix, rows, columns, gap) { \\
    kind *wide = malloc((rows) * ((columns) + (gap)) * sizeof(kind)); \\
    for (size_t row = 0; row < (rows); row++) \\
        for (size_t column = 0; column < (columns) + (gap); column++) \\
            wide[row * ((columns) + (gap)) + column] = column < (columns) ? (matrix)[row * (columns) + column] : 1; \\
    (matrix) = wide; \\
}

int main(void) {
    matmul_product p = example_product();
    SPREAD(matmul_activation, p.a, p.m, p.k, 2)
    SPREAD(matmul_weight, p.w, p.k, p.n, 3)
    p.a_stride = p.k + 2;
    p.w_stride = p.n + 3;
    for (int stream = 0; stream < MATMUL_C; stream++) {
        size_t count = matmul_bytes(stream, &p);
        uint8_t *buffer = malloc(count + 1);
        for (size_t byte = 0; byte <= count; byte++) buffer[byte] = 0xa5;
        matmul_pack(stream, &p, buffer);
        if (buffer[count] != 0xa5) return 1;
        for (size_t byte = 0; byte < count; byte++) printf("%02x", buffer[byte]);
        printf("\\n");
    }
    size_t count = matmul_bytes(MATMUL_C, &p);
    uint8_t *buffer = malloc(count);
    for (size_t byte = 0; byte < count; byte++) buffer[byte] = (uint8_t)getchar();
    if (getchar() != EOF) return 2;
    p.c = calloc(p.m * (p.n + 1), sizeof *p.c);
    p.c_stride = p.n + 1;
    matmul_unpack(&p, buffer);
    for (size_t place = 0; place < p.m * (p.n + 1); place++) printf("%llu ", (unsigned long long)p.c[place]);
    return 0;
}
"""


def write(design, folder: Path) -> None:
    for name, text in (host_files(design) | simulation_files(design) | {"matmul.h": design.header()}).items():
        (folder / name).write_text(text)


def beats(engine: Engine, stream: str, words: np.ndarray) -> bytes:
    """Words of a stream as the bytes of their beats."""
    size = engine.beats(stream) * engine.bus(stream) // 8
    return np.pad(words, ((0, 0), (0, size - words.shape[1]))).tobytes()


@pytest.mark.parametrize("name", ENGINES)
def test_bytes_are_those_of_the_golden_model(name, tmp_path):
    engine = ENGINES[name]
    write(Design.matmul(engine), tmp_path)
    (tmp_path / "driver.c").write_text(DRIVER)
    called(tmp_path, "gcc", *GCC, "-c", "matmul_host.c")
    called(tmp_path, "gcc", "-std=c99", "driver.c", "matmul_host.o", "-o", "driver")
    example = example_of(engine)
    assert len(np.unique(example.output)) > 15, "an answer of few values would hide an error"
    words = output_words(engine, example.output)
    done = subprocess.run(["./driver"], cwd=tmp_path, input=beats(engine, "c", words), capture_output=True, check=True)
    *streams, output = done.stdout.decode().splitlines()
    wanted = pack(engine, **example.arrays)
    found = dict(zip([name for name in engine.stream_bits if name != "c"], streams, strict=True))
    assert found == {name: beats(engine, name, wanted[name]).hex() for name in found}
    rows = np.array(output.split(), dtype=np.uint64).reshape(example.m, example.n + 1)
    assert (rows[:, :-1] == example.output).all() and not rows[:, -1].any()


def output_words(engine: Engine, codes: np.ndarray) -> np.ndarray:
    """The words of the stream of C, by the order that docs/matmul.md tells."""
    m, n = codes.shape
    width, words = engine.requantization.output.width, []
    for top in range(0, m, engine.tile_m):
        for left in range(0, n, engine.columns):
            for row in codes[top : top + engine.tile_m, left : left + engine.columns]:
                for start in range(0, len(row), engine.outputs):
                    word = sum(int(code) << width * k for k, code in enumerate(row[start : start + engine.outputs]))
                    words.append(list(word.to_bytes(-(-engine.stream_bits["c"] // 8), "little")))
    return np.array(words, dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["weight-stationary, a zero point of the weights", "Wishbone, beats of a byte"])
def test_products_on_the_simulated_engine(name, tmp_path, verilator_runtime):
    """gcc compiles the host's code, and Verilator the engine; every bit of C is compared, and a refusal is told."""
    design = Design.matmul(ENGINES[name])
    write(design, tmp_path)
    (tmp_path / "matmul.v").write_text(design.verilog())
    called(tmp_path, "gcc", *GCC, "-c", "matmul_host.c")
    build_program(tmp_path, "matmul", ["matmul.v", "matmul_sim.cpp", "matmul_host.o"], verilator_runtime)
    outputs = example_of(ENGINES[name]).output.size
    said = called(tmp_path, "./Vmatmul")
    assert said.startswith(f"matmul: {outputs} outputs equal the golden model's, ")
