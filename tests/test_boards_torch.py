"""A layer of torch on a board gives what the golden model gives of its rounded operands."""

import subprocess
import sys

import numpy as np
import pytest
from fewbit.boards.host.operands import check_operands, values_of
from fewbit.boards.host.simulated import default_description
from fewbit.formats import Engine, Requantization, parse
from fewbit.sim import decode, encode, engine_matmul

ENGINE = Engine(
    parse("e2m1"), parse("int8"), Requantization(parse("float32")), rows=2, columns=2, lanes=2, tile_m=4, max_k=32
)


class ModelBoard:
    """Has the golden model in the place of a board."""

    engine = ENGINE

    def matmul(self, a, w, **options):
        x, y, given = check_operands(self.engine, a, w, **options)
        codes = engine_matmul(self.engine, x, y, **{name: value for name, value in given.items() if value is not None})
        return values_of(codes, self.engine.requantization.output)


def expected(x, layer, weight, activation, scale=None):
    """The layer by exact products of rounded operands, in float64."""
    w = layer.weight.detach().double().numpy()
    scales = np.abs(w).max(axis=1) / float(weight.max_finite)
    if scale is None:
        scale = np.abs(x.astype(np.float64)).max() / float(activation.max_finite)
    rounded = [
        decode(encode(values, format), format).astype(np.float64)
        for values, format in ((x.astype(np.float64) / scale, activation), (w.T / scales, weight))
    ]
    return rounded[0] @ rounded[1] * (scale * scales) + layer.bias.detach().double().numpy()


def test_a_layer_is_that_of_its_rounded_operands():
    torch = pytest.importorskip("torch")
    import fewbit

    torch.manual_seed(1)
    layer = torch.nn.Linear(20, 5)
    x = torch.randn(2, 3, 20)
    for scale in (None, 0.01):
        on_board = fewbit.torch.Linear(layer, ModelBoard(), activation_scale=scale)
        found = on_board(x)
        wanted = expected(x.numpy().reshape(6, 20), layer, ENGINE.weight, ENGINE.activation, scale)
        assert found.dtype == torch.float32 and found.shape == (2, 3, 5)
        assert found.numpy().reshape(6, 5).tobytes() == wanted.astype(np.float32).tobytes()
    assert on_board(x[:, :0]).shape == (2, 0, 5)
    assert "20, out_features=5, e2m1 x int8 on a board" in repr(on_board)


def test_what_does_not_suit_is_told():
    torch = pytest.importorskip("torch")
    from fewbit.boards.torch import Linear

    class Rounding(ModelBoard):
        engine = Engine(parse("int8"), parse("int8"), Requantization(parse("int8"), scale=parse("dyadic16s5")))

    layer = torch.nn.Linear(4, 2)
    with pytest.raises(TypeError, match=r"layer must be a torch\.nn\.Linear, not ReLU"):
        Linear(torch.nn.ReLU(), ModelBoard())
    with pytest.raises(ValueError, match="board must have an engine that gives float32, not int8"):
        Linear(layer, Rounding())
    with pytest.raises(ValueError, match="activation_scale must be above 0, not 0"):
        Linear(layer, ModelBoard(), activation_scale=0)
    on_board = Linear(layer, ModelBoard())
    with pytest.raises(ValueError, match=r"input must be of shape \(..., 4\), not \(3, 5\)"):
        on_board(torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"input must need no gradient on a board: use torch.no_grad\(\)"):
        on_board(torch.zeros(3, 4, requires_grad=True))


def test_a_missing_torch_is_one_line():
    """In a process of its own: what has loaded torch once keeps it."""
    code = "import sys; sys.modules['torch'] = None; import fewbit; fewbit.torch.Linear"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    line = "ModuleNotFoundError: package torch must be installed for fewbit.torch: pip install 'fewbit[torch]'"
    assert done.stderr.splitlines()[-1] == line


@pytest.mark.slow
def test_a_model_with_a_layer_on_the_simulated_board(in_folder):
    torch = pytest.importorskip("torch")
    from fewbit.boards import Device
    from fewbit.boards.torch import Linear

    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.ReLU(), torch.nn.Linear(16, 5)).eval()
    x = torch.randn(7, 20)
    with Device.open("sim", description=default_description(ENGINE)) as board, torch.no_grad():
        layer = model[2]
        between = model[:2](x).numpy()
        model[2] = Linear(layer, board)
        found = model(x).numpy()
    wanted = expected(between, layer, ENGINE.weight, ENGINE.activation)
    assert found.tobytes() == wanted.astype(np.float32).tobytes()
