"""A whole network on the FPGA: the shape of the accelerator, and the program that it runs."""

from .order import clip_order
from .program import Answer, Image, Parameter, Program
from .records import Output, Pool, Product, Record, Residual, Window
from .shape import NetworkShape
from .timing import NetworkTiming
from .view import View

__all__ = [
    "Answer",
    "Image",
    "NetworkShape",
    "NetworkTiming",
    "Output",
    "Parameter",
    "Pool",
    "Product",
    "Program",
    "Record",
    "Residual",
    "View",
    "Window",
    "clip_order",
]
