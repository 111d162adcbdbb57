"""What docs/integrate.md shows of C is C."""

import re
import subprocess
from pathlib import Path

import fewbit
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.integrate.host import host_files

DOCS = Path(fewbit.__file__).parent / "docs"


def test_c_of_the_docs_compiles(tmp_path):
    int8 = parse("int8")
    design = Design.matmul(Engine(int8, int8, Requantization(int8, scale=parse("dyadic16s5")), bus_bits=32))
    (code,) = re.findall(r"```c\n(.*?)```", (DOCS / "integrate.md").read_text(), re.DOTALL)
    include, body = code.split("\n\n", 1)
    around = "void f(matmul_bus bus, uint8_t *a, uint8_t *w, uint8_t *c, uint32_t scale) {"
    for name, text in (host_files(design) | {"f.c": f"{include}\n{around}\n{body}}}\n"}).items():
        (tmp_path / name).write_text(text)
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "-Wno-maybe-uninitialized", "-Wno-uninitialized", "-c", "f.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
