"""Whether an engine's memories fit a device is known before anything is synthesized, and so is what would fit."""

from dataclasses import replace

from ..families import Target
from ..formats import Engine, memory_buffers

__all__ = ["block_rams", "check_room", "fitting_max_k", "has_room"]


def block_rams(engine: Engine, target: Target) -> int | None:
    """How many block RAMs the engine's memories take on a device; None if the family does not say."""
    ram = target.family.ram
    memories = engine.memories | memory_buffers(engine)
    return None if ram is None else sum(ram.blocks(*memory) for memory in memories.values())


def has_room(engine: Engine, target: Target) -> bool:
    """Whether a device has enough block RAMs for the engine. A device that does not say how many it has is taken to."""
    needed, capacity = block_rams(engine, target), target.device.capacity
    return needed is None or capacity is None or needed <= capacity.brams


def fitting_max_k(engine: Engine, targets: list[Target]) -> int | None:
    """The engine's ``max_k`` if it fits all devices, or the largest power of two below with which it does, if any."""
    for max_k in (engine.max_k, *(1 << bits for bits in reversed(range((engine.max_k - 1).bit_length())))):
        if all(has_room(replace(engine, max_k=max_k), target) for target in targets):
            return max_k
    return None


def check_room(engine: Engine, target: Target, *, name: str = "") -> None:
    """Raise ValueError if the engine's memories need more block RAMs than the device has. The message says what would
    do.

    ``name`` is the name of a board, which has no other device. Without it, other devices of the family are considered.
    """
    if has_room(engine, target):
        return
    capacity = target.device.capacity
    assert capacity is not None
    would = []
    max_k = fitting_max_k(engine, [target])
    if max_k is not None:
        would.append(f"--max-k {max_k}")
    if engine.tile_m > engine.rows and has_room(replace(engine, tile_m=engine.rows), target):
        would.append(f"--tile-m {engine.rows}")
    others = [] if name else [Target(target.family, each) for each in target.family.devices if each.capacity]
    would += [f"--family {other.name}" for other in others if has_room(engine, other)][:1]
    advice = f"; {' or '.join(would)} would do" if would else "; the array must be smaller"
    what = name or f"{target.family.name} {target.device.name}"
    raise ValueError(
        f"matmul must fit {what}: its panels need {block_rams(engine, target)} block RAMs, "
        f"the device has {capacity.brams}{advice}"
    )
