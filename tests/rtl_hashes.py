"""SHA-256 of the RTL of some hundred designs of every unit, to compare before and after code is moved:
`python tests/rtl_hashes.py [KIND ...] > before`.

It hashes RTLIL, which no tool but Amaranth has a part in. Not a test: what is emitted may change, on purpose.
"""

import hashlib
import itertools
import random
import sys

from fewbit.boards.gateware.top import top_rtlil
from fewbit.boards.link.description import Description
from fewbit.formats import Blocks, Engine, Overflow, Requantization, Rounding, parse
from fewbit.hdl import BUILDS, Design

FAMILIES = ("ice40", "ecp5", "gowin", "nexus", "gatemate", "xc7", "xcup")
"""In an order that stays: designs are drawn at random among them."""

PAIRS = [
    *itertools.product(("int4", "int8", "e2m1", "e4m3", "float8_e5m2"), repeat=2),
    *(("uint4", "e3m2"), ("int4s", "sm5"), ("uint2", "uint8"), ("e5m2", "e3m0"), ("ue4m3", "ue5m3"), ("e1m2", "e7m0")),
    *(("float8_e4m3fnuz", "float8_e4m3fn"), ("float8_e8m0fnu", "e2m1"), ("int1", "int8"), ("bfloat16", "int5")),
]


def products():
    for (weight, activation), unit in itertools.product(PAIRS, ("multiply", "mac", "dot")):
        formats = parse(weight), parse(activation)
        for family, dsp in ((None, False), ("ice40", False), ("xc7", False), ("xc7", True)):
            yield Design(unit, *formats, lanes=4 if unit == "dot" else 1, family=family, dsp=dsp)
    for build, pipeline, family in itertools.product(BUILDS, range(4), FAMILIES):
        yield Design("mac", parse("e2m1"), parse("e2m3"), build=build, pipeline=pipeline, family=family)
    for weight, _ in PAIRS:
        yield Design("decode", parse(weight))


def requantizations():
    for output, scale, tensor in (
        *(("int8", "dyadic16s5", None), ("uint4", "dyadic8s4", None), ("int4s", None, None), ("sm4", "float32", None)),
        *(("e2m1", "float8_e8m0fnu", None), ("e4m3", "e5m2", "float32"), ("float8_e4m3fn", "bfloat16", None)),
        *(("float8_e5m2", "float8_e4m3fn", None), ("bfloat16", None, None), ("float32", "dyadic16s6", None)),
        *(("float8_e4m3fnuz", "ue5m3", None), ("ue4m3", None, None), ("float16", "float16", "bfloat16")),
    ):
        scales = {"scale": scale and parse(scale), "tensor_scale": tensor and parse(tensor)}
        form = parse(output)
        yield Requantization(form, **scales)
        yield Requantization(form, **scales, bias_bits=20, relu=True, rounding=Rounding.TOWARD_ZERO)
        yield Requantization(form, **scales, rounding=Rounding.STOCHASTIC, seed=5)
        if output in ("int8", "uint4"):
            yield Requantization(form, **scales, zero_point=True, bias_bits=12)
            yield Requantization(form, **scales, overflow=Overflow.WRAP)
        if form.has_infinity:
            yield Requantization(form, **scales, overflow=Overflow.INFINITY)
        if form.has_nan:
            yield Requantization(form, **scales, overflow=Overflow.NAN)


def streaming():
    for weight, activation in (("int4", "int8"), ("e2m1", "e4m3"), ("float8_e5m2", "float8_e4m3fn")):
        formats = parse(weight), parse(activation)
        for how, dsp in itertools.product(requantizations(), (False, True)):
            yield Design("requantize", *formats, requantization=how, dsp=dsp)
    scale = parse("float8_e8m0fnu")
    for weight, output, tensor in itertools.product(
        ("int4", "e2m1", "float8_e4m3fn"), ("bfloat16", "float32", "e4m3"), (None, "float32")
    ):
        for rounding in Rounding:
            how = Requantization(parse(output), scale, tensor and parse(tensor), rounding=rounding)
            yield Design("dequantize", parse(weight), requantization=how, lanes=4, block_size=32)
    for pair, size, accumulate in itertools.product(PAIRS[:30], (16, 32), ("exact", "float32")):
        blocks = Blocks(size, scale, parse("ue5m3"), accumulate)
        yield Design("block_dot", *map(parse, pair), blocks=blocks, lanes=4, family="ice40", dsp=size == 32)


def engines():
    chance = random.Random(7)
    hows = list(requantizations())
    for number in range(220):
        weight, activation = chance.choice(PAIRS)
        flow = chance.choice(("output_stationary", "weight_stationary"))
        columns = chance.choice((1, 2, 4))
        still = flow == "output_stationary"
        blocks = None
        if still and number % 4 == 0:
            blocks = Blocks(16, parse("float8_e8m0fnu"), parse("float8_e4m3fn"), chance.choice(("exact", "float32")))
        how = chance.choice(hows)
        try:
            engine = Engine(
                *(parse(weight), parse(activation), how),
                rows=(rows := chance.choice((1, 2, 3))),
                columns=columns,
                lanes=chance.choice((1, 2, 4)),
                dataflow=flow,
                tile_m=2 * rows,
                max_k=chance.choice((8, 30, 64)),
                outputs=chance.choice([n for n in (1, 2, 4) if columns % n == 0]),
                scale_per=chance.choice(("tensor", "channel")),
                blocks=blocks,
                weight_zero_point="int" in weight and "int" in activation and number % 3 == 0,
                bus_bits=chance.choice((None, 8, 32)),
                control=chance.choice(("axi_lite", "wishbone")),
            )
        except ValueError:
            continue
        dsp = chance.random() < 0.3
        elements = chance.choice((None, 1)) if dsp and still else None
        yield Design.matmul(
            engine,
            pipeline=chance.choice((1, 2, 3)),
            dsp=dsp,
            family=chance.choice((None, *FAMILIES)),
            dsp_elements=elements,
        )


class OnBoard:
    """A design behind a board's link, hashed like one."""

    def __init__(self, design):
        self.design = design
        self.unit, self.weight, self.activation = "board", design.weight, design.activation

    def rtlil(self):
        return top_rtlil(Description("sim", self.design.engine, 12_000_000, 1_000_000, 512), self.design)


def boards():
    for number, design in enumerate(engines()):
        if number % 5 == 0 and design.engine.bus_bits is None and design.engine.control == "axi_lite":
            yield OnBoard(design)


def digest(design) -> str:
    return hashlib.sha256(design.rtlil().encode()).hexdigest()


KINDS = {kind.__name__: kind for kind in (products, streaming, engines, boards)}

if __name__ == "__main__":
    for kind in [KINDS[name] for name in sys.argv[1:] or KINDS]:
        for number, design in enumerate(kind()):
            print(kind.__name__, number, design.unit, design.weight, design.activation, digest(design))
