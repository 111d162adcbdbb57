"""The golden model of a whole network on the FPGA: what a program computes, to the bit."""

from .model import NetworkModel, Watch, check_images, network_answers

__all__ = ["NetworkModel", "Watch", "check_images", "network_answers"]
