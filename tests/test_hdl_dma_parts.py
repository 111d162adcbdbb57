"""The parts of the DMA by themselves: bursts stay in their pages, and what a channel offers stays until it is taken."""

import random

import pytest
from fewbit.formats import Dma
from fewbit.hdl.dma.burst_splitter import BurstSplitter
from fewbit.hdl.dma.read_channel import ReadChannel
from fewbit.hdl.dma.write_channel import WriteChannel
from fewbit.synth.formal import HandshakePorts, check_stream
from stream_driver import Feed, Take, drive, simulate

SMALL = Dma(memory_bits=32, address_bits=13, burst=2, outstanding=2)
AR = HandshakePorts("ar", "ar_valid", "ar_ready", ("ar_address", "ar_extra"))
AW = HandshakePorts("aw", "aw_valid", "aw_ready", ("aw_address", "aw_extra"))
W = HandshakePorts("w", "w_valid", "w_ready", ("w_data", "w_strobes", "w_last"))


@pytest.mark.parametrize("rate", [1.0, 0.5])
@pytest.mark.parametrize(("data_bits", "most"), [(32, 512), (64, 8), (64, 512), (1024, 32)])
def test_bursts_cover_their_request_and_leave_no_page(data_bits, most, rate):
    chance, width = random.Random(most), data_bits // 8
    requests = []
    for _ in range(60):
        page = chance.randrange(1, 15) * 4096
        address = page + chance.choice([0, -width, width, chance.randrange(-most, most) * width])
        requests.append({"address": address, "extra": chance.choice([0, most - 1, chance.randrange(most)]), "tag": 1})
    dut = BurstSplitter(data_bits, 16, most, 1)
    feed, take = Feed(dut.i, requests, rate, chance), Take(dut.o, rate, chance)
    feed.taken = lambda cycle: None

    async def testbench(ctx):
        ended = lambda _: len(feed.cycles) == len(requests) and not ctx.get(dut.o.valid)  # noqa: E731
        await drive(ctx, [feed, take], until=ended, most=5000)

    simulate(dut, testbench)
    bursts = iter(take.fields())
    for request in requests:
        address, left = request["address"], request["extra"] + 1
        while left:
            burst = next(bursts)
            beats = burst["extra"] + 1
            assert burst["address"] == address and burst["tag"] == 1 and beats <= left
            assert address // 4096 == (address + beats * width - 1) // 4096
            address, left = address + beats * width, left - beats
            assert burst["last"] == (left == 0)
    assert next(bursts, None) is None


def test_bursts_keep_the_contract(prepared):
    check_stream(BurstSplitter(64, 13, 4, 1))


def test_the_read_channel_keeps_the_contract(prepared):
    check_stream(ReadChannel(SMALL, 2, 2), [AR], steps=24)


def test_the_write_channel_keeps_the_contract(prepared):
    check_stream(WriteChannel(SMALL, 2), [AW, W], steps=24)


class Forgetful(ReadChannel):
    """A read channel that has room for a burst only as long as none is under way."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.ar_valid.eq(m.submodules.split.o.valid & m.submodules.underway.w_rdy)
        return m


def test_a_channel_that_gives_a_burst_up_is_found(prepared):
    from fewbit.synth.tools import ToolError

    with pytest.raises(ToolError, match="valid of ar must hold until ready"):
        check_stream(Forgetful(SMALL, 2, 2), [AR], steps=24)
