"""C code for the host of an engine: it packs matrices into the bytes of the streams, drives the registers, unpacks."""

from ..formats import Engine, Format
from ..hdl import MatmulDesign
from .template import fill

__all__ = ["code_type", "host_files", "parameter_fields", "parameter_writes"]

WORD_BITS = 32
"""Bits of a register."""


def host_files(design: MatmulDesign) -> dict[str, str]:
    """MODULE_host.h and MODULE_host.c, by name. They need MODULE.h beside them."""
    engine, module = design.engine, design.module
    named = {"module": module, "upper": module.upper()}
    streams = [*engine.stream_bits]
    header = fill(
        "host.h",
        **named,
        types="\n".join(f"typedef {kind} {module}_{name}; /* {about} */" for name, kind, about in _types(engine)),
        streams=", ".join(f"{module.upper()}_{name.upper()}" for name in streams),
        fields="\n".join(f"    {line}" for line in _fields(engine, module)),
    )
    source = fill(
        "host.c",
        **named,
        constants=",\n".join(f"    {name} = {value}" for name, value in _constants(engine).items()),
        word_bytes=", ".join(str(engine.beats(name) * engine.bus(name) // 8) for name in streams),
        more=_more_functions(engine, named),
        more_words="\n".join(
            f"    case {module.upper()}_{name.upper()}: words = {count}; break;"
            for name, count in _MORE_WORDS.items()
            if name in streams
        ),
        more_packing="\n".join(
            f"    case {module.upper()}_{name.upper()}: pack_{name}(p, buffer); break;"
            for name in _MORE_WORDS
            if name in streams
        ),
        parameters="\n".join(parameter_writes(engine, module.upper())),
    )
    return {f"{module}_host.h": header, f"{module}_host.c": source}


_MORE_WORDS = {
    "p": "panels * p->n",
    "a_scales": "groups(p->m, ROWS) * groups(p->k, BLOCK)",
    "w_scales": "panels * columns * groups(p->k, BLOCK)",
}
"""Words of the streams that not every engine has, as C has them."""


def code_type(bits: int) -> str:
    """The smallest type of C that codes of so many bits fit into."""
    return f"uint{next(size for size in (8, 16, 32, 64) if bits <= size)}_t"


def _types(engine: Engine) -> list[tuple[str, str, str]]:
    """Name, type in C, and the format of the codes that have a type of their own."""
    formats: dict[str, Format | None] = {
        "activation": engine.activation,
        "weight": engine.weight,
        "output": engine.requantization.output,
        "scale": engine.requantization.scale,
    }
    if engine.blocks is not None:
        formats |= {"a_scale": engine.blocks.activation_scale, "w_scale": engine.blocks.weight_scale}
    found = {
        name: (format.width, f"{format.name}, {format.width} bits")
        for name, format in formats.items()
        if format is not None
    }
    if engine.blocks is not None and engine.blocks.zero_points:
        bits, meaning = found["w_scale"]
        found["w_scale"] = bits + engine.weight.width, f"{meaning}, and above it a zero point, {engine.weight.name}"
    return [(name, code_type(bits), meaning) for name, (bits, meaning) in found.items()]


def _fields(engine: Engine, module: str) -> list[str]:
    """The members of a product in C, beside its sizes."""
    lines = [
        f"const {module}_activation *a; /* m by k */",
        "size_t a_stride;",
        f"const {module}_weight *w; /* k by n */",
        "size_t w_stride;",
        f"{module}_output *c; /* m by n */",
        "size_t c_stride;",
    ]
    if "scale" in engine.channel_fields:
        lines.append(f"const {module}_scale *scale; /* of each of the n columns */")
    if "bias" in engine.channel_fields:
        lines.append(f"const int64_t *bias; /* of each of the n columns, {engine.channel_fields['bias']} bits */")
    if engine.blocks is not None:
        lines += [
            f"const {module}_a_scale *a_scales; /* m by blocks of {engine.blocks.size} values of k */",
            "size_t a_scales_stride;",
            f"const {module}_w_scale *w_scales; /* blocks by n */",
            "size_t w_scales_stride;",
        ]
    return [*lines, *parameter_fields(engine)]


def parameter_fields(engine: Engine) -> list[str]:
    """The members of a product in C that are set once."""
    lines = []
    meanings = {
        "scale": "code of the scale of all outputs",
        "tensor_scale": "code of the second scale of all outputs",
        "zero_point": "added to every output",
        "weight_zero_point": "subtracted from every weight",
    }
    for name, bits in engine.tensor_fields.items():
        kind = "int32_t" if name.endswith("zero_point") else code_type(bits)
        lines.append(f"{kind} {name}; /* {meanings[name]} */")
    return lines


def _constants(engine: Engine) -> dict[str, int]:
    found = {
        "ROWS": engine.rows,
        "COLUMNS": engine.columns,
        "LANES": engine.lanes,
        "OUTPUTS": engine.outputs,
        "TILE_M": engine.tile_m,
        "K_STEP": engine.k_step,
        "OUTPUT_STATIONARY": int(engine.output_stationary),
        "A_BITS": engine.activation.width,
        "W_BITS": engine.weight.width,
        "C_BITS": engine.requantization.output.width,
    }
    if engine.blocks is not None:
        found |= {
            "BLOCK": engine.blocks.size,
            "A_SCALE_BITS": engine.blocks.activation_scale.width,
            "W_SCALE_BITS": engine.blocks.weight_bits(engine.weight),
        }
    return found


def _more_functions(engine: Engine, named: dict[str, str]) -> str:
    text = ""
    if engine.channel_fields:
        puts, place = [], 0
        for name, bits in engine.channel_fields.items():
            puts.append(f"            put(word, {place}, {bits}, (uint64_t)p->{name}[column]);")
            place += bits
        text += fill("host_columns.c", **named, puts="\n".join(puts))
    if engine.blocks is not None:
        text += fill("host_blocks.c", **named)
    return text


def parameter_writes(engine: Engine, upper: str) -> list[str]:
    """A write for every register of what is set once a product."""
    lines = []
    for name, bits in engine.tensor_fields.items():
        offset = f"{upper}_{name.upper()}"
        lines.append(f"    bus->write(context, {offset}_OFFSET, (uint32_t)p->{name});")
        if bits > WORD_BITS:
            high = f"(uint32_t)(p->{name} >> {WORD_BITS})"
            lines.append(f"    bus->write(context, {offset}_HIGH_OFFSET, {high});")
    return lines
