"""Boards: the matmul engine behind a serial line, its bitstream, and the host that computes with it."""

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
