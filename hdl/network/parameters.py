"""What belongs to a channel lies in a memory in the order of tiles and beats, as the way out needs it."""

from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Shape
from amaranth.lib import data

from ...formats.network import Parameter, Record
from .by_record import shape_for
from .plan import NetworkPlan

__all__ = ["ParameterTable"]


@dataclass(frozen=True)
class ParameterTable:
    """The words of the memory of parameters: one for each beat of each tile of all records.

    Parameters
    ----------
    plan: the program in numbers
    """

    plan: NetworkPlan

    @cached_property
    def entry(self) -> data.StructLayout:
        """A channel's: bias and the multipliers for the two tensors, as narrow as the program's are."""
        parameters = self.plan.program.parameters
        shapes: dict[str, Shape] = {
            "bias": shape_for([parameter.bias for parameter in parameters], is_signed=True),
            "activation": shape_for([parameter.activation for parameter in parameters]),
            "between": shape_for([parameter.between for parameter in parameters]),
        }
        return data.StructLayout(shapes)

    @cached_property
    def layout(self) -> data.ArrayLayout:
        return data.ArrayLayout(self.entry, self.plan.program.shape.outputs)

    @cached_property
    def beat_bits(self) -> int:
        """Bits of an address that say which beat of the tile it is."""
        return (self.plan.tile_beats - 1).bit_length()

    @cached_property
    def tiles(self) -> int:
        """Tiles of all records."""
        return sum(map(self.plan.tiles, self.plan.program.records))

    @cached_property
    def scales(self) -> bool:
        """Whether any multiplier is another than 1."""
        return any((parameter.activation, parameter.between) != (1, 1) for parameter in self.plan.program.parameters)

    def words(self) -> list[int]:
        """The content of the memory."""
        return [word for record in self.plan.program.records for word in self._of(record)]

    def _of(self, record: Record) -> list[int]:
        shape = self.plan.program.shape
        words = []
        for tile in range(self.plan.tiles(record)):
            for beat in range(1 << self.beat_bits):
                word = 0
                for place in reversed(range(shape.outputs)):
                    channel = min(tile * shape.columns + beat * shape.outputs + place, record.channels - 1)
                    entry = self.plan.program.parameters[record.parameters + channel * record.parameter_step]
                    word = word << self.entry.size | self._packed(entry)
                words.append(word)
        return words

    def _packed(self, parameter: Parameter) -> int:
        word, position = 0, 0
        for name, field in self.entry:
            word |= (getattr(parameter, name) & (1 << field.width) - 1) << position
            position += field.width
        return word
