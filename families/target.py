"""The targets that a user chooses from: the devices of all families, by name."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from .family import Family, FpgaDevice

__all__ = ["FAMILIES", "Target", "parse_target", "parse_targets", "targets"]

_NO_FAMILIES = ("__init__", "block_ram", "family", "logic_cell", "target")

FAMILIES: dict[str, Family] = {
    name: import_module(f".{name}", __package__).FAMILY
    for name in sorted(file.stem for file in Path(__file__).parent.glob("*.py"))
    if name not in _NO_FAMILIES
}
"""Every family: ``FAMILY`` in ``families/NAME.py``."""


@dataclass(frozen=True)
class Target:
    """A device of a family, named ``family`` where it is the family's default and ``family-device`` else."""

    family: Family
    device: FpgaDevice

    @property
    def name(self) -> str:
        default = self.device == self.family.devices[0]
        return self.family.name if default else f"{self.family.name}-{self.device.name}"

    @property
    def multiplies(self) -> bool:
        """Whether products can be left to multipliers; some devices have none of those that their family has."""
        capacity = self.device.capacity
        return self.family.block is None or capacity is None or capacity.dsps > 0


def targets() -> list[Target]:
    """Every device of every family."""
    return [Target(family, device) for family in FAMILIES.values() for device in family.devices]


def parse_target(name: str) -> Target:
    """The target of that name, as ``ecp5``, ``ice40`` or ``ice40-up5k``. Raises ValueError."""
    for target in targets():
        if name in (target.name, f"{target.family.name}-{target.device.name}"):
            return target
    raise ValueError(f"family must be {', '.join(target.name for target in targets())}, not {name!r}")


def parse_targets(names: str) -> list[Target]:
    """The targets of names with commas between, each once and in order; ``all`` for every one. Raises ValueError."""
    parts = [name.strip() for name in names.split(",")]
    found = [target for name in parts for target in (targets() if name == "all" else [parse_target(name)])]
    return list(dict.fromkeys(found))
