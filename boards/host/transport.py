"""A serial line carries bytes in both directions, with a limit to every wait. Ports that may be a board's are found."""

import errno
import os
import select
import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import serial
from serial.tools import list_ports

if TYPE_CHECKING:
    from ..targets.board import HostLink, Usb

__all__ = ["LinkError", "Port", "Transport", "attached_port", "find_ports", "is_named", "usb_ids"]

READ_BYTES = 1 << 14

GENERIC = ("Dual RS232-HS", "Single RS232-HS", "Quad RS232-HS")
"""Product names that FTDI's chips have if nobody changed them. Any adapter may have them, so they name no board."""

DENIED = "; be in its group, mostly dialout: sudo usermod -aG dialout $USER, and log in anew"


class LinkError(ConnectionError):
    """The board cannot be reached, or cannot be understood.

    Attributes
    ----------
    rows_done: how many rows of C were complete, counted from the first one
    rows: how many rows C has in all; 0 if there was no product
    images_done: how many images had their answers, counted from the first one
    images: how many images there were in all; 0 if there were none
    """

    def __init__(self, message: str, rows_done: int = 0, rows: int = 0, images_done: int = 0, images: int = 0):
        super().__init__(message)
        self.rows_done = rows_done
        self.rows = rows
        self.images_done = images_done
        self.images = images


class Transport(Protocol):
    """What a ``Device`` needs of a serial line.

    Members
    -------
    name: the name of the port, for messages
    exchange: writes as much of ``data`` as the line takes at once, and reads what is there. If it can do neither, it
        waits up to ``seconds``. It returns the number of bytes written and the bytes read. Raises LinkError if the line
        is gone
    close: gives the port back
    """

    name: str

    def exchange(self, data: bytes | bytearray, seconds: float) -> tuple[int, bytes]: ...

    def close(self) -> None: ...


class Port:
    """A serial port of this machine, with 8 data bits and no parity. No other process can use it at the same time.

    Parameters
    ----------
    name: the device, as ``/dev/ttyUSB1``
    baud: bits a second

    Raises LinkError if it cannot be opened.
    """

    def __init__(self, name: str, baud: int):
        self.name = name
        try:
            self._serial = serial.Serial(None, baud, timeout=0, exclusive=True)
            # on an UPduino that line is the flash's chip select, which the FPGA holds high
            self._serial.dtr = False
            self._serial.port = name
            self._serial.open()
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            hint = DENIED if number == errno.EACCES else ""
            why = os.strerror(number) if isinstance(number, int) else str(error)
            if number in (errno.EAGAIN, errno.EBUSY):
                why = "another program has it open"
            raise LinkError(f"serial port {name} cannot be opened: {why}{hint}") from None
        if sys.platform == "linux":  # pyserial can set it only on these systems
            # An FTDI keeps bytes for 16 ms otherwise. A driver without such a mode, as a pseudo-terminal's, is a
            # ValueError, and is as fast as it is.
            with suppress(ValueError):
                self._serial.set_low_latency_mode(True)

    def exchange(self, data: bytes | bytearray, seconds: float) -> tuple[int, bytes]:
        """See ``Transport``."""
        written = 0
        try:
            handle = self._serial.fileno()
            ready, free, _ = select.select([handle], [handle] if data else [], [], max(0.0, seconds))
            written = os.write(handle, data) if free else 0
            if not ready:
                return written, b""
            received = os.read(handle, READ_BYTES)
        except BlockingIOError:
            return written, b""
        except (OSError, ValueError, TypeError) as error:
            raise LinkError(f"serial port {self.name} is gone: {error}") from None
        if not received:
            raise LinkError(f"serial port {self.name} is gone: nobody is at its other end")
        return written, received

    def close(self) -> None:
        with suppress(OSError):
            self._serial.close()

    def __enter__(self) -> "Port":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_ports(board: str | None = None) -> list[str]:
    """Serial ports that look like a board's by their USB ids, sorted by name.

    Parameters
    ----------
    board: the name of the board. For None, ports of all boards are found, but only those with a product name that no
        plain adapter has: nobody asked to speak to other adapters
    """
    links = _links(board)
    return sorted(
        port.device for port in list_ports.comports() if any(_fits(link, port, board is not None) for link in links)
    )


def attached_port(board: str | None = None) -> str | None:
    """The one port that looks like a board's, or None if there is none. Raises ValueError if there are several.

    Parameters
    ----------
    board: the name of the board; None stands for any
    """
    ports = find_ports(board)
    if len(ports) > 1:
        raise ValueError(f"port must be one of {', '.join(ports)}, since several boards may be there, not 'auto'")
    return ports[0] if ports else None


def usb_ids(board: str | None = None) -> list[str]:
    """The USB ids that ``find_ports`` looks for, as ``0403:6010``."""
    return sorted({str(link.usb) for link in _links(board) if link.usb is not None})


def _links(board: str | None) -> "list[HostLink]":
    from ..targets import board_names, find_board

    return [find_board(name).link for name in ([board] if board else board_names())]


def is_named(usb: "Usb", product: str, generic: bool = True) -> bool:
    """Whether a product string contains one of the names of a USB device. If the device has no names, all strings do.

    ``generic``: whether a name counts that any adapter may have
    """
    known = [name.lower() for name in usb.names if generic or name not in GENERIC]
    return not usb.names or any(name in product.lower() for name in known)


def _fits(link: "HostLink", port: Any, generic: bool) -> bool:
    """Whether that serial port may belong to such a link."""
    usb = link.usb
    if usb is None or (port.vid, port.pid) != (usb.vendor, usb.product):
        return False
    if not is_named(usb, port.product or "", generic):
        return False
    # On Linux and macOS a location ends in configuration and interface, as "1-2:1.1". Other systems do not say them.
    _, found, place = (port.location or "").rpartition(":")
    return not found or place.rpartition(".")[2] == str(link.interface)
