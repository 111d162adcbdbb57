"""Draws docs/network_timing.svg: how long each layer of ResNet-8 takes on iCEBreaker, as predicted, and as counted in a
simulation of its hardware.

Run it by `python docs/network_timing.py`; 400,000 cycles take some minutes.
"""

from pathlib import Path

import numpy as np
from amaranth.sim import Simulator
from fewbit.boards.build.estimate import estimate
from fewbit.boards.build.network_request import NetworkRequest, buffer_for, usual_dsp
from fewbit.boards.targets import find_board
from fewbit.cli.common.network_options import AcceleratorOptions, lowered
from fewbit.cli.common.study_options import NetworkOptions, SchemeOptions
from fewbit.cli.estimate_chart import chart
from fewbit.hdl.network.network import NetworkCore
from fewbit.sim import network_answers

BOARD = "icebreaker"
ARRAY = {"rows": 1, "columns": 8, "lanes": 4, "outputs": 1}


def counted(network: NetworkCore, image: np.ndarray) -> dict[str, int]:
    """The cycles in which each record is at hand. The sums must be those of the golden model."""
    simulator = Simulator(network)
    simulator.add_clock(1e-6)
    names = [record.name for record in network.program.records]
    layers, sums = dict.fromkeys(names, 0), []

    async def send(ctx, stream, content: bytes) -> None:
        ctx.set(stream.valid, 1)
        for byte in content:
            ctx.set(stream.payload, byte)
            await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)

    async def bench(ctx) -> None:
        await send(ctx, network.weights, bytes(network.program.packed_words()))
        await send(ctx, network.image, image.tobytes())
        ctx.set(network.answer.ready, 1)
        last = False
        while not last:
            layers[names[ctx.get(network.layer)]] += ctx.get(network.busy)
            if ctx.get(network.answer.valid):
                sums.append(ctx.get(network.answer.payload.data))
                last = ctx.get(network.answer.payload.last)
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
    assert sorted(sums) == sorted(network_answers(network.program, image[None])[0].ravel().tolist())
    return layers


def main() -> None:
    study, found = lowered(NetworkOptions(), SchemeOptions(), AcceleratorOptions("e2m1", "int4", **ARRAY))
    board, program = find_board(BOARD), found.program
    wanted = NetworkRequest(board, program, dsp=usual_dsp(board), buffer_bytes=buffer_for(program))
    images = found.images(study.test.inputs[study.lowering.reading.input.tensor][:1])
    seen = counted(NetworkCore(wanted.design.generic.hardware), images[0])
    Path(__file__).with_name("network_timing.svg").write_text(chart(estimate(wanted), seen))
    print(seen)


if __name__ == "__main__":
    main()
