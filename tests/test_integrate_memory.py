"""The C code of the host of an engine with a DMA, and what other people's tools take of it."""

import pytest
from fewbit.formats import Blocks, Dma, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.integrate.example import example_of
from fewbit.integrate.memory_host import memory_host_files, memory_simulation_files
from fewbit.sim import lay_out, pack_records
from test_integrate_host import GCC
from verilated_program import build_program, called

INT8, E2M1, E8M0 = (parse(name) for name in ("int8", "e2m1", "float8_e8m0fnu"))
TO_INT8 = Requantization(INT8, scale=parse("dyadic32s6"), bias_bits=13, zero_point=True)
DMA = Dma(64, burst=2)
ENGINES = {
    "a scale for every column": Engine(
        *(E2M1, INT8, TO_INT8), lanes=2, outputs=2, columns=4, rows=2, tile_m=4, max_k=40, scale_per="channel", dma=DMA
    ),
    "blocks": Engine(
        *(E2M1, E2M1, Requantization(parse("bfloat16"))),
        **{"blocks": Blocks(16, E8M0, E8M0), "lanes": 2, "rows": 2, "columns": 2, "tile_m": 4, "max_k": 40},
        dma=Dma(32, address_bits=40, burst=4, packing="bytes"),
        control="wishbone",
    ),
}

DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include "matmul_example.h"

int main(void) {
    matmul_product product = example_product();
    uint8_t *places[MATMUL_MATRICES];
    for (int matrix = 0; matrix < MATMUL_MATRICES; matrix++) {
        product.stride[matrix] = (int32_t)matmul_row_bytes(matrix, example_columns[matrix]);
        places[matrix] = calloc(example_rows[matrix], (size_t)product.stride[matrix]);
    }
    example_fill(&product, places);
    for (int matrix = 0; matrix < MATMUL_C; matrix++) {
        for (size_t byte = 0; byte < example_rows[matrix] * (size_t)product.stride[matrix]; byte++)
            printf("%02x", places[matrix][byte]);
        printf("\\n");
    }
    return matmul_get(MATMUL_A, places[MATMUL_A], 1) != example_a[1];
}
"""


def write(design, folder):
    files = memory_host_files(design) | memory_simulation_files(design) | {"matmul.h": design.header()}
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("name", ENGINES)
def test_rows_are_those_of_the_golden_model(name, tmp_path):
    engine = ENGINES[name]
    write(Design.matmul(engine), tmp_path)
    (tmp_path / "driver.c").write_text(DRIVER)
    called(tmp_path, "gcc", *GCC, "-c", "matmul_host.c")
    called(tmp_path, "gcc", "-std=c99", "driver.c", "matmul_host.o", "-o", "driver")
    example = example_of(engine)
    image = lay_out(engine, **example.arrays)
    beat = engine.dma.beat_bytes
    wanted = [(content + bytes(-len(content) % beat)).hex() for content in image.contents.values()]
    assert sorted(called(tmp_path, "./driver").split()) == sorted(wanted)
    if engine.channel_fields:
        records = pack_records(engine, example.n, scale=example.arrays["scale"], bias=example.arrays["bias"])
        assert any(row.startswith(records.tobytes().hex()) for row in wanted)


@pytest.mark.slow
def test_a_product_from_memory_to_memory_by_c(tmp_path, verilator_runtime):
    """gcc compiles the host's code, and Verilator the engine; every bit of C is compared, and a refusal is told."""
    engine = ENGINES["a scale for every column"]
    design = Design.matmul(engine)
    write(design, tmp_path)
    (tmp_path / "matmul.v").write_text(design.verilog())
    build_program(tmp_path, "matmul", ["matmul.v", "matmul_sim.cpp", "matmul_host.c"], verilator_runtime)
    said = called(tmp_path, "./Vmatmul")
    assert said.startswith(f"matmul: {example_of(engine).output.size} outputs equal the golden model's, ")
