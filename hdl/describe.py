"""What the JSON beside a unit's Verilog says of formats, engines, streams and registers."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from amaranth.hdl import Shape

from ..formats import Blocks, Engine, FixedPoint, Format, Integer, Minifloat, Requantization
from .bus.registers import register_map
from .engine.matmul_engine import engine_registers
from .units.axi_units import EdgeStream

__all__ = [
    "describe_blocks",
    "describe_engine",
    "describe_format",
    "describe_requantization",
    "describe_streams",
    "meaning_at_edge",
    "meaning_in_stream",
]

_STREAMS = {
    "a": "codes of A: rows by lanes where output-stationary, a slice of k where weight-stationary",
    "w": "codes of W: columns by lanes",
    "p": "what comes with a column of C",
    "a_scales": "block scales of A, one for every row",
    "w_scales": "block scales of W, one for every column",
    "c": "codes of C",
}

_DESCRIBED_APART = ("weight", "activation", "requantization", "blocks")

_SIGNALS = {
    "tdata": "data",
    "tvalid": "a beat is there",
    "tready": "the beat is taken",
    "tlast": "the last beat of a product",
}


def describe_format(format: Format) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": format.name,
        "width": format.width,
        "signed": format.signed,
        "lsb_exponent": format.lsb_exponent,
    }
    if isinstance(format, Minifloat):
        return described | {
            "encoding": "minifloat",
            "exponent_bits": format.exponent_bits,
            "fraction_bits": format.fraction_bits,
            "bias": format.bias,
            "subnormals": format.subnormals,
            "specials": format.specials.value,
        }
    if isinstance(format, Integer):
        return described | {"encoding": "unsigned" if format.unsigned else "twos_complement"}
    return described | {"encoding": "sign_magnitude"}


def describe_engine(engine: Engine) -> dict[str, Any]:
    """Shape, sum, requantization, streams and registers."""
    form = engine.sum
    names = [name.name for name in fields(Engine) if name.name not in _DESCRIBED_APART]
    blocks = engine.blocks
    return {
        "engine": {name: getattr(engine, name) for name in names},
        "accumulator": asdict(engine.accumulator),
        "blocks": None if blocks is None else describe_blocks(blocks, form),
        "requantization": describe_requantization(engine.requantization),
        "streams": [
            {
                "name": f"{'m' if name == 'c' else 's'}_axis_{name}",
                "meaning": _STREAMS[name],
                "tlast": _SIGNALS["tlast"] if name == "c" else "not looked at",
                "word_bits": bits,
                "beat_bits": engine.bus(name),
                "beats_a_word": engine.beats(name),
                "fields": _engine_fields(engine, name),
            }
            for name, bits in engine.stream_bits.items()
        ],
        "registers": register_map(engine_registers(engine)),
    }


def _engine_fields(engine: Engine, stream: str) -> list[dict[str, Any]]:
    """What a word of the stream holds, lowest first: ``count`` values of ``width`` bits each, from ``lsb`` on."""
    if stream == "p":
        held = [(name, bits, 1) for name, bits in engine.channel_fields.items()]
    else:
        name, count = {
            "a": ("activation", engine.rows * engine.lanes),
            "w": ("weight", engine.columns * engine.lanes),
            "a_scales": ("activation_scale", engine.rows),
            "w_scales": ("weight_scale", engine.columns),
            "c": ("code", engine.outputs),
        }[stream]
        held = [(name, engine.stream_bits[stream] // count, count)]
    fields, lsb = [], 0
    for name, bits, count in held:
        fields.append({"name": name, "lsb": lsb, "width": bits, "count": count, "signed": name == "bias"})
        lsb += bits * count
    return fields


def describe_blocks(blocks: Blocks, form: FixedPoint | Format) -> dict[str, Any]:
    """Blocks, and the form that sums over them have."""
    return {
        "size": blocks.size,
        "weight_scale": blocks.weight_scale.name,
        "activation_scale": blocks.activation_scale.name,
        "accumulate": blocks.accumulate,
        "sum": asdict(form) if isinstance(form, FixedPoint) else form.name,
    }


def describe_requantization(how: Requantization) -> dict[str, Any]:
    return {
        "output": describe_format(how.output),
        **{name: format and format.name for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale))},
        "bias_bits": how.bias_bits,
        "zero_point": how.zero_point,
        "relu": how.relu,
        "rounding": how.rounding.value,
        "overflow": how.overflow.value,
        "seed": how.seed,
    }


def describe_streams(streams: Iterable[EdgeStream]) -> list[dict[str, Any]]:
    """Streams of a beat a word, with the fields of their data."""
    return [
        {
            "name": each.name,
            "meaning": each.meaning,
            "tlast": each.last,
            "word_bits": each.layout.size,
            "beat_bits": each.layout.size,
            "beats_a_word": 1,
            "fields": [
                {
                    "name": name,
                    "lsb": field.offset,
                    "width": Shape.cast(field.shape).width,
                    "signed": Shape.cast(field.shape).signed,
                }
                for name, field in each.layout
            ],
        }
        for each in streams
    ]


def meaning_in_stream(stream: EdgeStream, port: str) -> str:
    """What a port of such a stream is."""
    signal = port.rpartition("_")[2]
    return f"{stream.meaning}: {stream.last if signal == 'tlast' else _SIGNALS[signal]}"


def meaning_at_edge(name: str) -> str:
    """What a port of a bus or a stream is."""
    bus, _, signal = name.rpartition("_")
    if signal in _SIGNALS:
        what = _STREAMS[bus.split("_axis_")[1]]
        if signal == "tlast" and bus.startswith("s_"):
            return f"{what}: not looked at"
        return f"{what}: {_SIGNALS[signal]}"
    if name == "irq":
        return "a product is complete, or a start was refused; until the bit in status is cleared"
    return f"registers: {signal.upper()} of {'AXI4-Lite' if name.startswith('s_axi_') else 'Wishbone'}"
