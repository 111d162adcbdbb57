"""The golden model of a whole network on the FPGA: what a program computes, to the bit."""

from .answers import answer_order, answer_values
from .cycles import RecordCycles, network_cycles, network_pause
from .inputs import check_images, image_bytes, network_images
from .model import NetworkModel, Watch, network_answers
from .sums import Multiply

__all__ = [
    "Multiply",
    "NetworkModel",
    "RecordCycles",
    "Watch",
    "answer_order",
    "answer_values",
    "check_images",
    "image_bytes",
    "network_answers",
    "network_cycles",
    "network_images",
    "network_pause",
]
