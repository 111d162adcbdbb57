"""An engine in a SoC of LiteX: a C program drives it over the SoC's bus, and LiteX's DMAs move the matrices."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from fewbit.formats import Dma, Engine, Requantization, parse
from fewbit.hdl import Design, NetworkDesign
from fewbit.integrate import generate
from fewbit.integrate.example import example_header, example_of
from fewbit.integrate.litex import litex_files
from fewbit.integrate.memory_host import memory_simulation_files
from fewbit.integrate.network import network_core_files
from network_programs import random_program
from verilated_program import build_program, called

INT4, INT8 = parse("int4"), parse("int8")
TO_INT8 = Requantization(INT8, scale=parse("dyadic16s5"), bias_bits=9)
SHAPE = {"rows": 2, "columns": 2, "tile_m": 4, "max_k": 32, "scale_per": "channel"}

ENGINES = {
    "wishbone": Engine(INT4, INT8, TO_INT8, bus_bits=32, control="wishbone", **SHAPE),
    "axi_lite": Engine(INT4, INT8, TO_INT8, bus_bits=64, control="axi_lite", dataflow="weight_stationary", **SHAPE),
}

SOC = """
import sys
from pathlib import Path
from litex.build.generic_platform import Pins, Subsignal
from litex.build.io import CRG
from litex.build.sim import SimPlatform
from litex.soc.integration.export import get_csr_header, get_mem_header, get_soc_header
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import wishbone
from fewbit_engine import add_fewbit_engine

HOST = {"adr": 30, "dat_w": 32, "dat_r": 32, "sel": 4, "cyc": 1, "stb": 1, "ack": 1, "we": 1, "err": 1}

class Soc(SoCCore):
    "No processor: the host of the bus is outside, at pins."
    def __init__(self, platform):
        super().__init__(
            platform, clk_freq=int(1e6), cpu_type=None, integrated_rom_size=0, integrated_sram_size=0,
            integrated_main_ram_size=0x4000, with_uart=False, with_timer=False, with_ctrl=False, ident_version=False,
        )
        self.crg = CRG(platform.request("sys_clk"), platform.request("sys_rst"))
        pins, host = platform.request("host"), wishbone.Interface(data_width=32, adr_width=30, addressing="word")
        self.bus.add_master("host", master=host)
        for name in HOST:
            inward = name not in ("dat_r", "ack", "err")
            to, of = (host, pins) if inward else (pins, host)
            self.comb += getattr(to, name).eq(getattr(of, name))
        add_fewbit_engine(self, "matmul", origin=0x90000000)  # by itself it would take the place of the CSRs

io = [("sys_clk", 0, Pins(1)), ("sys_rst", 0, Pins(1)), ("host", 0, *(Subsignal(n, Pins(w)) for n, w in HOST.items()))]
platform = SimPlatform("SIM", io)
soc = Soc(platform)
soc.finalize()
platform.get_verilog(soc, name="soc").write("soc.v")
generated = Path("generated")
generated.mkdir()
(generated / "csr.h").write_text(get_csr_header(soc.csr_regions, soc.constants, soc.mem_regions["csr"].origin))
(generated / "mem.h").write_text(get_mem_header(soc.mem_regions))
(generated / "soc.h").write_text(get_soc_header(soc.constants))
"""

SYSTEM = """
#ifdef __cplusplus
extern "C" {
#endif
void csr_write_simple(unsigned long v, unsigned long a);
unsigned long csr_read_simple(unsigned long a);
void flush_l2_cache(void);
void flush_cpu_dcache(void);
#ifdef __cplusplus
}
#endif
#define CSR_ACCESSORS_DEFINED
"""
"""What a processor's header has: here a word goes over the bus's pins, and caches hold what is in memory at one place
here and at the same address in the SoC."""

BUS = """
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include "Vsoc.h"
#include "verilated.h"
INCLUDES

static VerilatedContext context;
static Vsoc top{&context};
static long cycles;

static void cycle() {
    top.sys_clk = 0; top.eval();
    top.sys_clk = 1; top.eval();
    if (++cycles > 1000000) { puts("too long"); exit(1); }
}

static unsigned long reach(unsigned long address, bool is_write, unsigned long value) {
    top.host_adr = address / 4; top.host_dat_w = value; top.host_sel = 15; top.host_we = is_write;
    top.host_cyc = top.host_stb = 1;
    top.sys_clk = 0; top.eval();
    while (!top.host_ack) { cycle(); top.sys_clk = 0; top.eval(); }
    if (top.host_err) { printf("error at %lx\\n", address); exit(1); }
    unsigned long found = top.host_dat_r;
    cycle();
    top.host_cyc = top.host_stb = 0;
    cycle();
    return found;
}

void csr_write_simple(unsigned long v, unsigned long a) { reach(a, true, v); }
unsigned long csr_read_simple(unsigned long a) { return reach(a, false, 0); }

static uint32_t *const memory = reinterpret_cast<uint32_t *>(MAIN_RAM_BASE);
static unsigned used;

void flush_l2_cache() {
    for (unsigned word = 0; word < used / 4; word++) reach(MAIN_RAM_BASE + 4 * word, true, memory[word]);
}

void flush_cpu_dcache() {
    for (unsigned word = 0; word < used / 4; word++) memory[word] = reach(MAIN_RAM_BASE + 4 * word, false, 0);
}

"""
"""What goes over the SoC's bus from outside, and memory that is the same here and there."""

PROGRAM = """
int main() {
    const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(memory, MAIN_RAM_SIZE, PROT_READ | PROT_WRITE, how, -1, 0) != memory) return 3;
    top.sys_rst = 1; cycle(); cycle(); top.sys_rst = 0;
    matmul_product product = example_product();
    uint8_t *buffers[MATMUL_STREAMS];
    for (int stream = 0; stream < MATMUL_STREAMS; stream++) {
        buffers[stream] = reinterpret_cast<uint8_t *>(memory) + used;
        used += (matmul_bytes(stream, &product) + 7) / 8 * 8;
    }
    if (used > MAIN_RAM_SIZE) return 4;
    matmul_output c[sizeof example_answer / sizeof *example_answer];
    product.c = c;
    for (int run = 0; run < 2; run++) {
        for (int stream = 0; stream < MATMUL_C; stream++) matmul_pack(stream, &product, buffers[stream]);
        int status = matmul_run(&matmul_litex, &product, buffers);
        if (status) { printf("returned %d\\n", status); return 1; }
        matmul_unpack(&product, buffers[MATMUL_C]);
        for (size_t place = 0; place < product.m * product.n; place++)
            if (c[place] != example_answer[place]) { printf("C differs at %zu\\n", place); return 1; }
    }
    printf("%u outputs are equal\\n", product.m * product.n);
    return 0;
}
"""


MEMORY_PROGRAM = """
int main() {
    const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(memory, MAIN_RAM_SIZE, PROT_READ | PROT_WRITE, how, -1, 0) != memory) return 3;
    top.sys_rst = 1; cycle(); cycle(); top.sys_rst = 0;
    matmul_product product = example_product();
    uint8_t *places[MATMUL_MATRICES];
    for (int matrix = 0; matrix < MATMUL_MATRICES; matrix++) {
        product.stride[matrix] = (int32_t)matmul_row_bytes(matrix, example_columns[matrix]);
        places[matrix] = reinterpret_cast<uint8_t *>(memory) + used;
        product.address[matrix] = MAIN_RAM_BASE + used;
        used += example_rows[matrix] * product.stride[matrix];
    }
    example_fill(&product, places);
    int status = matmul_litex_run(&product);
    if (status) { printf("returned %d\\n", status); return 1; }
    for (size_t place = 0; place < product.m * product.n; place++) {
        uint8_t *row = places[MATMUL_C] + place / product.n * product.stride[MATMUL_C];
        if (matmul_get(MATMUL_C, row, place % product.n) != example_answer[place]) { puts("C differs"); return 1; }
    }
    printf("%u outputs are equal\\n", product.m * product.n);
    return 0;
}
"""

NETWORK_PROGRAM = """
int main() {
    const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    if (mmap(memory, MAIN_RAM_SIZE, PROT_READ | PROT_WRITE, how, -1, 0) != memory) return 3;
    top.sys_rst = 1; cycle(); cycle(); top.sys_rst = 0;
    const size_t count = sizeof example_images / NET_IMAGE_BYTES;
    uint8_t *images = reinterpret_cast<uint8_t *>(memory), *place = images + count * NET_IMAGE_STRIDE;
    net_sum *sums = reinterpret_cast<net_sum *>(place);
    uint8_t *weights = place + (count * NET_ANSWER_SUMS * sizeof *sums + 7) / 8 * 8;
    used = weights - images + NET_WEIGHT_BYTES;
    memset(images, 0x5a, used); // also what is between images, which nobody may see
    for (size_t image = 0; image < count; image++)
        memcpy(images + image * NET_IMAGE_STRIDE, example_images + image * NET_IMAGE_BYTES, NET_IMAGE_BYTES);
    memcpy(weights, example_weights, sizeof example_weights);
    net_litex_load(weights);
    for (size_t run = 0; run < 2; run++) net_litex_answer(images, count, sums);
    for (size_t sum = 0; sum < count * NET_ANSWER_SUMS; sum++)
        if (sums[sum] != example_answers[sum]) { printf("sum %zu differs\\n", sum); return 1; }
    printf("%zu sums are equal\\n", count * NET_ANSWER_SUMS);
    return 0;
}
"""

PROCESSOR_SOC = """
import subprocess
from pathlib import Path
from litex.build.generic_platform import Pins
from litex.build.io import CRG
from litex.build.sim import SimPlatform
from litex.gen import LiteXModule
from litex.soc.integration.common import get_mem_data
from litex.soc.integration.export import get_csr_header, get_mem_header, get_soc_header
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect.csr import CSRStorage
from fewbit_engine import add_fewbit_engine

class Report(LiteXModule):
    def __init__(self, pins):
        self.value = CSRStorage(32)
        self.comb += pins.eq(self.value.storage)

class Soc(SoCCore):
    def __init__(self, platform):
        super().__init__(
            platform, clk_freq=int(1e6), cpu_type="vexriscv", integrated_rom_size=0x4000, integrated_sram_size=0x1000,
            integrated_main_ram_size=0x4000, with_uart=False, with_timer=False, ident_version=False,
        )
        self.crg = CRG(platform.request("sys_clk"), platform.request("sys_rst"))
        self.report = Report(platform.request("report"))
        add_fewbit_engine(self, "matmul")

platform = SimPlatform("SIM", [("sys_clk", 0, Pins(1)), ("sys_rst", 0, Pins(1)), ("report", 0, Pins(32))])
soc = Soc(platform)
soc.finalize()
generated = Path("generated")
generated.mkdir()
(generated / "csr.h").write_text(get_csr_header(soc.csr_regions, soc.constants, soc.mem_regions["csr"].origin))
(generated / "mem.h").write_text(get_mem_header(soc.mem_regions))
(generated / "soc.h").write_text(get_soc_header(soc.constants))
subprocess.run(["sh", "compile.sh"], check=True)
soc.init_rom(name="rom", contents=get_mem_data("firmware.bin", data_width=32, endianness="little"))
platform.get_verilog(soc, name="soc").write("soc.v")
for source, *_ in platform.sources:
    if "VexRiscv" in source:
        Path("cpu.v").write_text(Path(source).read_text())
"""

FIRMWARE = """
#include "matmul_litex.h"
#include "matmul_example.h"

void start(void) __attribute__((naked, section(".start")));
void start(void) { __asm__ volatile("li sp, 0x10001000\\n j main"); }

void flush_l2_cache(void) {} /* this SoC has none */

void *memcpy(void *to, const void *from, size_t count) {
    for (size_t k = 0; k < count; k++) ((char *)to)[k] = ((const char *)from)[k];
    return to;
}

void *memset(void *to, int value, size_t count) {
    for (size_t k = 0; k < count; k++) ((char *)to)[k] = (char)value;
    return to;
}

int main(void) {
    matmul_product product = example_product();
    uint8_t *buffers[MATMUL_STREAMS], *place = (uint8_t *)MAIN_RAM_BASE;
    for (int stream = 0; stream < MATMUL_STREAMS; stream++) {
        buffers[stream] = place;
        place += (matmul_bytes(stream, &product) + 31) / 32 * 32;
    }
    matmul_output *c = (matmul_output *)place;
    product.c = c;
    for (int run = 0; run < 2; run++) {
        for (int stream = 0; stream < MATMUL_C; stream++) matmul_pack(stream, &product, buffers[stream]);
        for (size_t k = 0; k < matmul_bytes(MATMUL_C, &product); k++) buffers[MATMUL_C][k] = 0x5a;
        if (matmul_run(&matmul_litex, &product, buffers) != MATMUL_OK) report_value_write(0xdead0001);
        matmul_unpack(&product, buffers[MATMUL_C]);
        for (size_t k = 0; k < product.m * product.n; k++)
            if (c[k] != example_answer[k]) report_value_write(0xdead0002);
    }
    report_value_write(product.m * product.n);
    for (;;) {
    }
}
"""

LINK = """
SECTIONS {
    . = ROM_BASE;
    .text : { *(.start) *(.text*) *(.rodata*) *(.srodata*) *(.data*) *(.sdata*) }
    . = 0x10000000;
    .bss (NOLOAD) : { *(.bss*) *(.sbss*) *(COMMON) }
}
"""

COMPILE = """
set -e
riscv64-unknown-elf-gcc -march=rv32im -mabi=ilp32 -O2 -Wall -ffreestanding -nostdlib -DCONFIG_CPU_NOP='"nop"' \\
    -I. -I{include} -I{cpu} firmware.c matmul_host.c -T link.ld -lgcc -o firmware.elf
riscv64-unknown-elf-objcopy -O binary firmware.elf firmware.bin
"""

WATCH = """
#include <cstdio>
#include "Vsoc.h"
#include "verilated.h"

int main() {
    VerilatedContext context;
    Vsoc top{&context};
    for (long cycle = 0; cycle < 2000000 && !top.report; cycle++) {
        top.sys_rst = cycle < 4;
        top.sys_clk = 0; top.eval();
        top.sys_clk = 1; top.eval();
    }
    if (top.report > 1000) { printf("the program reports %x\\n", top.report); return 1; }
    printf("%u outputs are equal\\n", top.report);
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("riscv64-unknown-elf-gcc") is None, reason="no compiler for RISC-V on PATH")
def test_program_of_a_processor(tmp_path, verilator_runtime):
    """A VexRiscv with caches runs the C code of the host, compiled by gcc for RISC-V."""
    litex = pytest.importorskip("litex")
    pytest.importorskip("pythondata_cpu_vexriscv")
    soc = Path(litex.__file__).parent / "soc"
    folders = {"include": soc / "software" / "include", "cpu": soc / "cores" / "cpu" / "vexriscv"}
    files = written("wishbone", tmp_path) | {
        "soc.py": PROCESSOR_SOC,
        "firmware.c": FIRMWARE,
        "link.ld": LINK.replace("ROM_BASE", "0"),
        "compile.sh": COMPILE.format(**folders),
        "watch.cpp": WATCH,
    }
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    called(tmp_path, sys.executable, "soc.py")
    build_program(tmp_path, "soc", ["soc.v", "cpu.v", "matmul.v", "watch.cpp"], verilator_runtime)
    assert called(tmp_path, "./Vsoc") == f"{example_of(ENGINES['wishbone']).output.size} outputs are equal\n"


def written(name, tmp_path) -> dict[str, str]:
    """The files of an engine for LiteX, and a product with its answer."""
    design = Design.matmul(ENGINES[name])
    return {
        **litex_files(design),
        "matmul.v": design.verilog(),
        "matmul.json": json.dumps(design.description()),
        "matmul.h": design.header(),
        "matmul_example.h": example_header("matmul", example_of(ENGINES[name]), ENGINES[name]),
    }


def in_a_soc(tmp_path, verilator_runtime, module, files, program):
    """What a program says that drives the bus of a SoC with the module in it."""
    litex = pytest.importorskip("litex")
    includes = f'#include "{module}_litex.h"\n#include "{module}_example.h"'
    more = {"soc.py": SOC.replace("matmul", module), "system.h": SYSTEM}
    more["program.cpp"] = BUS.replace("INCLUDES", includes) + program
    for file, text in (files | more).items():
        (tmp_path / file).write_text(text)
    called(tmp_path, sys.executable, "soc.py")
    include = Path(litex.__file__).parent / "soc" / "software" / "include"
    hosts = [file for file in files if file.endswith("_host.c")]
    for host in hosts:
        called(tmp_path, "gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-c", host)
    flags = f"-I{tmp_path} -I{include} -DCONFIG_BIOS_NO_DELAYS"
    objects = [host.replace(".c", ".o") for host in hosts]
    build_program(tmp_path, "soc", ["soc.v", f"{module}.v", "program.cpp", *objects], verilator_runtime, flags)
    return called(tmp_path, "./Vsoc")


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_product_in_a_soc(name, tmp_path, verilator_runtime):
    """Both buses of the registers; streams as wide as the bus and wider; two products, the second by the same DMAs."""
    said = in_a_soc(tmp_path, verilator_runtime, "matmul", written(name, tmp_path), PROGRAM)
    assert said == f"{example_of(ENGINES[name]).output.size} outputs are equal\n"


@pytest.mark.slow
def test_an_engine_with_a_dma_is_a_master_in_a_soc(tmp_path, verilator_runtime):
    engine = Engine(INT4, INT8, TO_INT8, control="wishbone", dma=Dma(32, burst=2), **SHAPE)
    design = Design.matmul(engine)
    files = generate(design, tool="litex") | memory_simulation_files(design)
    said = in_a_soc(tmp_path, verilator_runtime, "matmul", files, MEMORY_PROGRAM)
    assert said == f"{example_of(engine).output.size} outputs are equal\n"


@pytest.mark.slow
def test_a_network_answers_images_in_a_soc(tmp_path, verilator_runtime):
    """Its weights are loaded; images are of 18 bytes each, so that there is something between them in memory."""
    design = NetworkDesign(random_program(10, layers=2, side=3), "loaded", module="net")
    assert design.program.image.size % 4
    files = generate(design, tool="litex") | network_core_files(design)
    said = in_a_soc(tmp_path, verilator_runtime, "net", files, NETWORK_PROGRAM)
    assert said == f"{3 * design.program.answer.size} sums are equal\n"


def test_streams_that_dmas_cannot_feed_are_refused():
    message = "bus_bits must be given for litex, a power of two of 32 or more, not None: the stream w has 8"
    with pytest.raises(ValueError, match=message):
        litex_files(Design.matmul(Engine(INT4, INT8, TO_INT8, rows=4, columns=2)))
