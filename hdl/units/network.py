"""A network's accelerator as a unit: its parameter set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from amaranth.lib import wiring

from ...formats import Arithmetic
from ...formats.network import Program
from ..bus.registers import c_header, register_map
from ..network.network import NetworkCore
from ..network.network_build import NetworkBuild
from ..network.network_engine import NetworkEngine, answer_bits, network_engine_members, network_registers
from .axi_unit import STREAM_SIGNALS
from .product_design import ProductDesign

__all__ = ["NetworkDesign"]

_STREAMS = {
    "s_axis_image": "bytes of images, in the order of rows, pixels, channels",
    "s_axis_weights": "the packed words of weights, once",
    "m_axis_answer": "the sums of the last layer, sign-extended",
}


@dataclass(frozen=True)
class NetworkDesign(ProductDesign):
    """The accelerator of a whole network.

    Parameters
    ----------
    program: what it runs
    weight_store, ports, piece, dsp_elements: see ``NetworkBuild``
    """

    unit = "network"
    summary = "a whole network: images in, answers out"
    least_pipeline = 1

    program: Program
    weight_store: str = "initialized"
    memory_ports: str = "dual"
    piece: int = 32
    dsp_elements: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.hardware  # which checks what it is made by

    @property
    def computes(self) -> Arithmetic:
        return self.program.shape.arithmetic

    @property
    def added(self) -> int:
        return self.program.shape.lanes

    @property
    def is_mixed(self) -> bool:
        return True

    @property
    def multiplies(self) -> bool:
        return self.dsp_elements > 0

    @property
    def contract(self) -> str:
        answer = self.program.answer
        return (
            f"the sums of the last layer of {self.program.name}, {answer.height} x {answer.width} x {answer.channels}, "
            f"of each image, as the program of SHA-256 {self.program.digest[:16]}... tells, exact"
        )

    @property
    def latency(self) -> int:
        """Cycles from the last byte of an image to its first answer depend on the network; there is at least one."""
        return 1

    @property
    def loads(self) -> bool:
        """Whether weights have to be loaded."""
        return self.weight_store == "loaded"

    @property
    def generic(self) -> "NetworkDesign":
        """The same, cycle by cycle, without cells of a family."""
        return replace(self, memory_ports="single") if self.memory_ports == "spram" else self

    @cached_property
    def hardware(self) -> NetworkBuild:
        """How the accelerator is made."""
        how = (self.weight_store, self.memory_ports, self.piece, self.dsp_elements)
        return NetworkBuild(self.program, self.chosen_build, *how)

    def core(self) -> NetworkCore:
        """The accelerator without buses."""
        return NetworkCore(self.hardware)

    def component(self) -> NetworkEngine:
        return NetworkEngine(self.core())

    def header(self) -> str:
        return c_header(self.module, network_registers(self.program))

    def members(self) -> Mapping[str, wiring.Member]:
        return network_engine_members(self.program, self.loads)

    def meaning(self, port: str) -> str:
        stream, _, signal = port.rpartition("_")
        if stream in _STREAMS:
            if signal == "tlast":
                return f"{_STREAMS[stream]}: {'the last sum of an image' if stream[0] == 'm' else 'not looked at'}"
            return f"{_STREAMS[stream]}: {STREAM_SIGNALS[signal]}"
        if port == "irq":
            return "an image is answered; until the bit in status is cleared"
        return f"registers: {signal.upper()} of AXI4-Lite"

    def describe(self) -> dict[str, Any]:
        """The program without its weights, the streams, the registers, and what cycles depend on."""
        described = self.program.describe()
        kept = ("name", "shape", "image", "answer", "activation_words", "between_words", "records")
        names = ("s_axis_image", *(["s_axis_weights"] if self.loads else []), "m_axis_answer")
        bits = {"m_axis_answer": answer_bits(self.program)}
        return {
            **super().describe(),
            "program": {name: described[name] for name in kept} | {"digest": self.program.digest},
            "weight_words": self.program.weight_words,
            "memories": {"weights": self.weight_store, "ports": self.memory_ports},
            "streams": [
                {"name": name, "meaning": _STREAMS[name], "beat_bits": bits.get(name, 8), "bytes": self._bytes(name)}
                for name in names
            ],
            "registers": register_map(network_registers(self.program)),
            "timing": asdict(self.hardware.timing),
        }

    def _bytes(self, stream: str) -> int:
        """Of an image, of all weights, or of an answer."""
        program = self.program
        if stream == "s_axis_weights":
            return len(program.packed_words())
        return program.image.size if stream == "s_axis_image" else program.answer.size * answer_bits(program) // 8
