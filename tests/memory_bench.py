"""Products from memory to memory in Amaranth's simulator: matrices are laid out, and C is read back."""

import numpy as np
from axi_memory import AxiMemory
from fewbit.hdl.dma.memory_matmul import MemoryMatmul
from fewbit.hdl.units.matmul import MatmulDesign
from fewbit.sim.memory import lay_out, row_bytes
from stream_driver import drive, simulate

__all__ = ["MemoryBench"]


class MemoryBench:
    """A ``MemoryMatmul`` in the simulator; ``product`` runs one in a memory of its own."""

    def __init__(self, engine, **options):
        self.engine = engine
        self.design = MatmulDesign(engine=engine, **options)
        self.dut = MemoryMatmul(engine, self.design.chosen_build)

    def run(self, testbench):
        simulate(self.dut, testbench)

    async def start(self, ctx, image, inputs, **others):
        """Set everything, and start; ``others`` are what is set otherwise."""
        m, k, n = image.sizes
        parameters = {name: int(inputs[name]) for name in self.engine.tensor_fields}
        for name, value in {"m": m, "n": n, "k": k, **image.descriptors, **parameters, **others}.items():
            signal = getattr(self.dut, name)
            ctx.set(signal, value & (1 << len(signal)) - 1)
        ctx.set(self.dut.start, 1)
        await ctx.tick()
        ctx.set(self.dut.start, 0)

    def memory(self, image, failing=(), seed=0, **options):
        """A memory with the matrices in it, and anything else around them."""
        failing = [image.descriptors[name] for name in failing]
        ram = AxiMemory(self.dut, image.end, failing=failing, seed=seed, **options)
        ram.bytes[:] = np.random.default_rng(seed).integers(0, 256, image.end, np.uint8).tobytes()
        for address, content in image.contents.items():
            ram.bytes[address : address + len(content)] = content
        return ram

    async def finish(self, ctx, ram, most=5000):
        """Let a product come to its end. Which errors there were, and the cycles."""
        failed = set()

        def ended(cycle):
            failed.update(name for name in ("read_failed", "write_failed") if ctx.get(getattr(self.dut, name)))
            return not ctx.get(self.dut.busy)

        return failed, await drive(ctx, [ram], until=ended, most=most)

    async def product(self, ctx, inputs, gap=0, start=0, **options):
        """C, the cycles, the memory, and which errors there were."""
        engine = self.engine
        streamed = {name: codes for name, codes in inputs.items() if name not in engine.tensor_fields}
        image = lay_out(engine, **streamed, start=start, gap=gap)
        ram = self.memory(image, **options)
        before = bytes(ram.bytes)
        await self.start(ctx, image, inputs)
        failed, cycles = await self.finish(ctx, ram, 5000 + 60 * np.prod(image.sizes))
        (m, _, n), at, stride = image.sizes, image.descriptors["c_address"], image.descriptors["c_stride"]
        used = row_bytes(n, engine.requantization.output.width, engine.dma.packing)
        for row in range(m):
            rest = slice(at + row * stride + used, at + (row + 1) * stride)
            assert ram.bytes[rest] == before[rest], "bytes past the rows of C must stay"
        assert ram.bytes[:at] == before[:at] and not ram.reads and not ram.writes and not ram.answers
        return image.output(bytes(ram.bytes)), cycles, ram, failed
