"""A serial line as bytes in and bytes out, every wait bounded; and which serial ports may be a board's."""

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
"""Product names of FTDI's chips that nobody gave another: any adapter has them, not a board alone."""

DENIED = "; be in its group, mostly dialout: sudo usermod -aG dialout $USER, and log in anew"


class LinkError(ConnectionError):
    """The board cannot be reached, or cannot be understood.

    Attributes
    ----------
    rows_done: of the product at hand, rows of C that were complete, from the first one on
    rows: of C; 0 where there was no product
    """

    def __init__(self, message: str, rows_done: int = 0, rows: int = 0):
        super().__init__(message)
        self.rows_done = rows_done
        self.rows = rows


class Transport(Protocol):
    """What a ``Device`` needs of a serial line.

    Members
    -------
    name: of the port, for messages
    exchange: write as much of ``data`` as goes at once and read what is there; where neither goes, wait up to
        ``seconds``. Returns the number of bytes written and the bytes read. Raises LinkError where the line is gone
    close: give the port back
    """

    name: str

    def exchange(self, data: bytes | bytearray, seconds: float) -> tuple[int, bytes]: ...

    def close(self) -> None: ...


class Port:
    """A serial port of this machine, 8 data bits and no parity, for this process alone.

    Parameters
    ----------
    name: of the device, as ``/dev/ttyUSB1``
    baud: bits a second

    Raises LinkError where it cannot be opened.
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
        if sys.platform == "linux":  # where alone pyserial can set it
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
    board: name; None is any, but only by a product name that no other adapter has: nobody asked for those to be
        spoken to
    """
    links = _links(board)
    return sorted(
        port.device for port in list_ports.comports() if any(_fits(link, port, board is not None) for link in links)
    )


def attached_port(board: str | None = None) -> str | None:
    """The one port that looks like a board's; None where there is none. Raises ValueError where there are several.

    Parameters
    ----------
    board: name; None is any
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
    """Whether a product string has one of the names in it, as all do where there are none.

    ``generic``: even one of those that any adapter has.
    """
    known = [name.lower() for name in usb.names if generic or name not in GENERIC]
    return not usb.names or any(name in product.lower() for name in known)


def _fits(link: "HostLink", port: Any, generic: bool) -> bool:
    """Whether that serial port is such a link's."""
    usb = link.usb
    if usb is None or (port.vid, port.pid) != (usb.vendor, usb.product):
        return False
    if not is_named(usb, port.product or "", generic):
        return False
    # Linux and macOS end a location in configuration and interface, "1-2:1.1"; elsewhere nothing is known of it.
    _, found, place = (port.location or "").rpartition(":")
    return not found or place.rpartition(".")[2] == str(link.interface)
