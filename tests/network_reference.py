"""What a program computes, one code at a time, in nothing but Python's integers and fractions."""

from fractions import Fraction
from functools import cache

from fewbit.formats import Format
from fewbit.formats.network import Output, Pool, Product, Program, Record, View
from numpy.random import Generator


class Reference:
    """An accelerator's two memories, and the sums of the last record.

    ``random`` fills all that a program leaves open: memories at first, and codes of words that are no channels.
    """

    def __init__(self, program: Program, random: Generator):
        self.program, self.random = program, random
        shape = program.shape
        self.memories = {
            "activation": [self.fill(shape.activation, shape.lanes) for _ in range(program.activation_words)],
            "between": [self.fill(shape.between, shape.outputs) for _ in range(program.between_words)],
        }

    def fill(self, format: Format, count: int) -> list[int]:
        return [int(code) for code in self.random.choice(list(format.codes), count)]

    def run(self, image: list[list[list[int]]]) -> list[list[list[int]]]:
        """The answer for an image, both as lists of rows of pixels of channels."""
        program = self.program
        for memory, view, codes in (
            ("activation", program.image.activation, program.image.activation_codes),
            ("between", program.image.between, program.image.between_codes),
        ):
            if view is not None:
                for y in range(view.height):
                    for x in range(view.width):
                        pixel = image[y][x]
                        self.write(
                            memory, view, y, x, [codes[256 * c + b] if codes else b for c, b in enumerate(pixel)]
                        )
        for record in program.records:
            sums = self.sums(record)
            if not record.outputs:
                return sums
            residual = [[[0] * record.channels for _ in range(record.width)] for _ in range(record.height)]
            if record.residual is not None:
                for y in range(record.height):
                    for x in range(record.width):
                        codes = self.read("between", record.residual.view, y, x)
                        integers = map(program.shape.between.integer, codes[: record.channels])
                        residual[y][x] = [integer - record.residual.zero for integer in integers]
            for memory, output in (("activation", record.activation), ("between", record.between)):
                if output is not None:
                    for y in range(record.height):
                        for x in range(record.width):
                            codes = [
                                self.code(record, memory, output, channel, sums[y][x][channel], residual[y][x][channel])
                                for channel in range(record.channels)
                            ]
                            self.write(memory, output.view, y, x, codes)
        raise AssertionError("no record gave its sums")

    def read(self, memory: str, view: View, y: int, x: int) -> list[int]:
        start = view.base + (y * view.width + x) * view.pitch
        return [code for word in self.memories[memory][start : start + view.words] for code in word]

    def write(self, memory: str, view: View, y: int, x: int, codes: list[int]) -> None:
        format = getattr(self.program.shape, memory)
        size = len(self.memories[memory][0])
        start = view.base + (y * view.width + x) * view.pitch
        codes = codes + self.fill(format, view.words * size - len(codes))
        for word in range(view.words):
            self.memories[memory][start + word] = codes[word * size : (word + 1) * size]

    def sums(self, record: Record) -> list[list[list[int]]]:
        one = self.product if isinstance(record, Product) else self.pool
        return [
            [
                [
                    one(record, y, x, channel)  # type: ignore[arg-type]
                    + self.program.parameters[record.parameters + record.parameter_step * channel].bias
                    for channel in range(record.channels)
                ]
                for x in range(record.width)
            ]
            for y in range(record.height)
        ]

    def taps(self, record: Record, y: int, x: int) -> list[tuple[int, int] | None]:
        """The source's pixel of every tap; None for padding."""
        window, source = record.window, record.source
        found: list[tuple[int, int] | None] = []
        for ky in range(window.kernel_y):
            for kx in range(window.kernel_x):
                row = y * window.stride_y + ky * window.dilation_y - window.pad_y
                column = x * window.stride_x + kx * window.dilation_x - window.pad_x
                inside = 0 <= row < source.height and 0 <= column < source.width
                found.append((row, column) if inside else None)
        return found

    def product(self, record: Product, y: int, x: int, channel: int) -> int:
        shape = self.program.shape
        tile, column = divmod(channel, shape.columns)
        first = tile // record.tiles_a_step * record.tile_step
        total = 0
        for tap, pixel in enumerate(self.taps(record, y, x)):
            codes = None if pixel is None else self.read("activation", record.source, *pixel)
            for word in range(record.words):
                for lane in range(shape.lanes):
                    code = record.pad if codes is None else codes[(first + word) * shape.lanes + lane]
                    address = record.weights + (tile * record.window.taps + tap) * record.words + word
                    weight = self.program.weights[(address * shape.columns + column) * shape.lanes + lane]
                    total += shape.weight.integer(weight) * shape.activation.integer(code)
        return total

    def pool(self, record: Pool, y: int, x: int, channel: int) -> int:
        pixels = [pixel for pixel in self.taps(record, y, x) if pixel is not None]
        codes = [self.read("between", record.source, *pixel)[channel] for pixel in pixels]
        integers = [self.program.shape.between.integer(code) - record.zero for code in codes]
        return sum(integers) if record.kind == "sum" else max(integers)

    def code(self, record: Record, memory: str, output: Output, channel: int, total: int, residual: int) -> int:
        parameter = self.program.parameters[record.parameters + record.parameter_step * channel]
        scaled = total * getattr(parameter, memory) + (residual * output.multiplier << output.residual_shift)
        value = Fraction(scaled, 1 << output.shift)
        if output.table is not None:
            return self.program.tables[output.table][rounded(self.program.shape.between, value, output.zero_point)]
        format = getattr(self.program.shape, memory)
        code = rounded(format, value, output.zero_point)
        if place(format, code) < place(format, output.low):
            return output.low
        return output.high if place(format, code) > place(format, output.high) else code


def place(format: Format, code: int) -> tuple[int, int]:
    """Where a code stands in the order of values, a negative zero before the positive one."""
    integer = format.integer(code)
    return integer, 0 if integer == 0 and format.negative(code) else 1


@cache
def values(format: Format) -> list[tuple[int, int]]:
    """Every integer with its lowest code, but for the negative zero's, ascending."""
    found: dict[int, int] = {}
    for code in format.codes:
        if place(format, code) != (0, 0):
            found.setdefault(format.integer(code), code)
    return sorted(found.items())


def rounded(format: Format, value: Fraction, zero_point: int) -> int:
    """The code of the nearest value of the format: of two, by the rule that ``Rounding.TIES_TO_EVEN`` has."""
    known = values(format)
    if format.takes_zero_point:
        integer = min(max(round(value) + zero_point, known[0][0]), known[-1][0])
        return dict(known)[integer]
    units = min(max(value / format.lsb, Fraction(known[0][0])), Fraction(known[-1][0]))
    below = max(entry for entry in known if entry[0] <= units)
    above = min(entry for entry in known if entry[0] >= units)
    nearest = below if units - below[0] < above[0] - units else above
    if below != above and units - below[0] == above[0] - units:
        small, large = sorted((below, above), key=lambda entry: abs(entry[0]))
        even = abs(small[0]) != abs(large[0]) and small[0] % (2 * (above[0] - below[0])) == 0
        nearest = small if even else max(below, above) if abs(small[0]) == abs(large[0]) else large
    minus_zero = [code for code in format.codes if place(format, code) == (0, 0)]
    return minus_zero[0] if nearest[0] == 0 and value < 0 and minus_zero else nearest[1]
