"""Boards: the matmul engine behind a serial line, its bitstream, and the host that computes with it.

Names are loaded when they are first asked for, since they need what `pip install 'fewbit[boards]'` brings.
"""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .host.channel import Statistics
    from .host.device import Device
    from .host.simulated import Simulated
    from .host.transport import LinkError
    from .link.description import Description
    from .link.protocol import Event, Frame, Kind, Parser, Status

__all__ = [
    "Description",
    "Device",
    "Event",
    "Frame",
    "Kind",
    "LinkError",
    "Parser",
    "Simulated",
    "Statistics",
    "Status",
]

__getattr__ = lazily(
    __name__,
    "boards",
    {
        "Description": ".link.description",
        "Device": ".host.device",
        "Event": ".link.protocol",
        "Frame": ".link.protocol",
        "Kind": ".link.protocol",
        "LinkError": ".host.transport",
        "Parser": ".link.protocol",
        "Simulated": ".host.simulated",
        "Statistics": ".host.channel",
        "Status": ".link.protocol",
    },
)


def __dir__() -> list[str]:
    return [*__all__]
