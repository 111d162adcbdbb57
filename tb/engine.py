"""The matmul engine that a UNIT.json describes."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..formats import Dma, Engine, read_format
from .stream_unit import read_blocks, read_requantization
from .unit import read_element

__all__ = ["read_engine"]


def read_engine(description: Mapping[str, Any]) -> Engine:
    """The described engine. Raises ValueError if it is no engine, or if its streams are not what the engine needs."""
    if description.get("unit") != "matmul":
        raise ValueError(f"unit must be matmul, not {description.get('unit')!r}")
    try:
        blocks, dma = description["blocks"], description.get("dma")
        engine = Engine(
            weight=read_format(description["weight"]),
            activation=read_format(description["activation"]),
            requantization=read_requantization(description["requantization"]),
            blocks=blocks and read_blocks(blocks),
            element=read_element(description),
            dma=dma and Dma(**{field.name: dma[field.name] for field in fields(Dma)}),
            **description["engine"],
        )
        streams = {stream["name"].partition("_axis_")[2]: stream["beat_bits"] for stream in description["streams"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"description of matmul must have every key of UNIT.json, {error} is missing") from None
    needed = {name: engine.bus(name) for name in engine.stream_bits} if engine.dma is None else {}
    if streams != needed:
        raise ValueError(f"streams must have beats of {needed} bits, not {streams}")
    return engine
