"""One part of a matmul engine's array, for measuring it alone."""

from amaranth.lib import wiring

from ...formats import Engine
from ..products.build import Build
from .hardware import hardware_of

__all__ = ["array_element"]


def array_element(engine: Engine, build: Build) -> wiring.Component:
    """An element of an engine's array, or a column of it where weights are stationary."""
    hardware = hardware_of(engine.arithmetic)
    if engine.output_stationary:
        return hardware.element(engine.arithmetic, build, engine.accumulator, engine.lanes)
    if hardware.keeps_weights:
        return hardware.keeping_column(engine.arithmetic, build, engine.rows, engine.lanes)
    return hardware.column(engine.arithmetic, build, engine.rows * engine.lanes)
