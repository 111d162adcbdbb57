"""The matmul engine's output stream keeps its contract: proven of small engines, for all inputs and in every cycle."""

import pytest
from fewbit.formats import Blocks, Engine, Requantization, parse
from fewbit.hdl import Build, Matmul
from fewbit.synth.formal import check_stream

INT2 = parse("int2")


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"columns": 2, "tile_m": 2, "max_k": 2},
        {"dataflow": "weight_stationary", "tile_m": 2, "max_k": 2},
        {"requantization": Requantization(INT2, parse("ue2m1"), zero_point=True), "columns": 2, "scale_per": "channel"},
        {"blocks": Blocks(16, parse("ue1m1"), parse("ue1m1")), "lanes": 2},
    ],
    ids=["one", "columns", "weight_stationary", "channels", "blocks"],
)
def test_the_output_keeps_its_contract(shape):
    engine = Engine(
        **{"weight": INT2, "activation": INT2, "requantization": Requantization(INT2)}
        | {"rows": 1, "columns": 1, "tile_m": 1, "max_k": 1, **shape}
    )
    check_stream(Matmul(engine, Build("rows", pipeline=1)), reach=40)
