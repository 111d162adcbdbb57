"""Boards: the matmul engine behind a serial line, its bitstream, and the host that computes with it."""

from .channel import Statistics
from .description import Description
from .device import Device
from .protocol import Event, Frame, Kind, Parser, Status
from .simulated import Simulated
from .transport import LinkError

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
