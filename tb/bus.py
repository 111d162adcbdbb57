"""What testbenches of cocotb in other projects take from here: models of buses, registers by name, a scoreboard.

Unlike ``fewbit.tb`` it is imported inside of a simulation. cocotbext-axi has more models of AXI.
"""

from .axi_stream import StreamRules, collect, feed
from .control import AxiLiteAccess, Registers, WishboneAccess
from .scoreboard import ProductScoreboard

__all__ = [
    "AxiLiteAccess",
    "ProductScoreboard",
    "Registers",
    "StreamRules",
    "WishboneAccess",
    "collect",
    "feed",
]
