"""Serial ports without a board: which are spoken to, those that may not be opened, and what was written to one."""

import os
from types import SimpleNamespace

import pytest
import serial
from fewbit.boards.host import transport
from fewbit.boards.host.transport import LinkError, Port, find_ports, is_named
from fewbit.boards.targets.board import Usb


def ports(*products):
    """Two serial ports of an FT2232H each, as pyserial lists them."""
    return [
        SimpleNamespace(
            **{"device": f"/dev/ttyUSB{2 * i + port}", "vid": 0x0403, "pid": 0x6010, "product": product},
            location=f"1-{i}:1.{port}",
        )
        for i, product in enumerate(products)
        for port in (0, 1)
    ]


def test_an_adapter_that_may_be_anything_is_spoken_to_only_where_its_board_is_named(monkeypatch):
    found = ports("Dual RS232-HS", None, "Lattice FTUSB Interface Cable")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: found)
    assert find_ports() == ["/dev/ttyUSB5"]
    assert find_ports("ice40_hx8k_b_evn") == ["/dev/ttyUSB1", "/dev/ttyUSB5"]
    assert find_ports("icebreaker") == []


def test_a_port_that_may_not_be_opened_is_told_with_what_to_do(monkeypatch):
    def refuse(*_, **__):
        raise serial.SerialException(13, "could not open port /dev/ttyUSB1: Permission denied")

    monkeypatch.setattr("serial.Serial", refuse)
    with pytest.raises(
        LinkError, match=r"/dev/ttyUSB1 cannot be opened: .*be in its group, mostly dialout: sudo usermod"
    ):
        Port("/dev/ttyUSB1", 3_000_000)


def test_what_was_written_is_told_where_nothing_can_be_read(monkeypatch):
    def nothing_there(*_):
        raise BlockingIOError

    line, other = os.openpty()
    with Port(os.ttyname(other), 115_200) as port:
        os.write(line, b"x\n")
        monkeypatch.setattr(transport.os, "read", nothing_there)
        assert port.exchange(b"hello", 1.0) == (5, b"")
    os.close(line)
    os.close(other)


def test_a_device_is_told_by_its_names_where_there_are_any():
    assert is_named(Usb(0x0403, 0x6010, ("ULX3S",)), "ULX3S FPGA 12K v3.0.8")
    assert not is_named(Usb(0x0403, 0x6010, ("ULX3S",)), "iCEBreaker V1.0e")
    assert is_named(Usb(0x0403, 0x6010), "whatever it is")
