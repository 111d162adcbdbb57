"""Networks written as QONNX and read from it: against the qonnx package, Brevitas, and plain definitions."""

import json
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
import typer
from fewbit.build import main
from fewbit.cli.study.export import export
from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.network.execute import execute
from fewbit.study.network.float_layer import FloatLayer
from fewbit.study.network.graph import Graph
from fewbit.study.network.layer import Layer
from fewbit.study.network.network import Network, Samples
from fewbit.study.network.quantizer import Quantizer
from fewbit.study.quantization.as_it_came import as_it_came
from fewbit.study.quantization.calibrate import calibrate
from fewbit.study.quantization.engines import float_engine, integer_engine
from fewbit.study.quantization.qonnx_write import write_qonnx
from fewbit.study.quantization.quantize import quantize
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.zoo.fashion import pixels
from onnx import helper, numpy_helper
from typer.testing import CliRunner

DATA = Path(__file__).parent / "data"
NETS = Path(__file__).parent.parent / "study" / "zoo" / "nets"
BATCH = 16
MADE = {
    "convolutions": (networks.convolutions, "image", (1, 8, 8)),
    "attention": (networks.attention, "tokens", (6, 16)),
}


class Toy:
    def __init__(self, name):
        make, self.input, shape = MADE[name]
        self.graph = Graph(make(), threads=1)
        random = np.random.default_rng(3)
        self.inputs = {self.input: random.standard_normal((BATCH, *shape)).astype(np.float32)}
        self.statistics = calibrate(self.graph, Samples(self.inputs))

    def quantized(self, weight, activation=None, **options):
        scheme = Scheme(weight=parse(weight), activation=parse(activation or weight), **options)
        return quantize(self.graph, scheme, self.statistics)


@pytest.fixture(scope="module", params=MADE)
def toy(request):
    return Toy(request.param)


@pytest.fixture
def by_qonnx(monkeypatch):
    """Runs a model by the qonnx package, node by node: of content and inputs, every tensor by its name."""
    executor = pytest.importorskip("qonnx.core.onnx_exec")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    make = executor.qonnx_make_model
    # it would take onnx's newest version for every node, which onnxruntime need not know yet
    monkeypatch.setattr(executor, "qonnx_make_model", lambda graph: make(graph, ir_version=10))

    def run(content, inputs):
        model = ModelWrapper(onnx.load_model_from_string(content)).transform(InferShapes())
        return executor.execute_onnx(model, inputs, True)

    return run


FORMATS = ["int4", "e2m1", "e3m0", "uint4 e3m2", "int4s uint8", "int8 e4m3", "float8_e4m3fn", "float8_e5m2", "e7m0"]


@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("techniques", [(), ("equalize", "smooth", "bias")])
def test_the_qonnx_package_gives_the_float_evaluation(toy, by_qonnx, formats, techniques):
    layers = toy.quantized(*formats.split(), techniques=techniques)
    found = by_qonnx(write_qonnx(toy.graph, layers, BATCH), toy.inputs)[toy.graph.outputs[0]]
    expected = execute(toy.graph, toy.inputs, float_engine(layers, threads=1))[0]
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("formats", [*FORMATS, "e3m4 float8_e4m3fnuz"])
@pytest.mark.parametrize("techniques", [(), ("equalize", "smooth", "bias")])
def test_what_is_written_is_read_as_it_was(toy, formats, techniques):
    layers = toy.quantized(*formats.split(), techniques=techniques)
    again = Graph(write_qonnx(toy.graph, layers), threads=1)
    given = as_it_came(again)
    assert {*given} == {*layers}
    for name, layer in layers.items():
        assert (given[name].weight_format, given[name].activation_format) == (
            layer.weight_format,
            layer.activation_format,
        )
        np.testing.assert_array_equal(given[name].scale, layer.scale)
        if layer.codes is not None:
            assert np.array_equal(given[name].weights, layer.weights) and given[name].weight_bits == layer.weight_bits
    fast, exact = (
        [execute(graph, toy.inputs, engine(own))[0] for graph, own in ((toy.graph, layers), (again, given))]
        for engine in (float_engine, integer_engine)
    )
    np.testing.assert_array_equal(*fast)
    # a file has biases in float32
    longest = max((int(np.abs(layer.bias).max()) for layer in layers.values() if layer.bias is not None), default=0)
    if longest < 1 << 24:
        np.testing.assert_array_equal(*exact)
    else:
        np.testing.assert_allclose(*exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"weight": "sm4"}, "format must be int{N}, int{N}s, uint{N} or a signed minifloat .*, not 'sm4'"),
        ({"weight": "int4", "scale_per": "block", "block_size": 16}, "scales must be of tensors or channels in QONNX"),
    ],
)
def test_what_qonnx_has_no_counterpart_for(options, message):
    toy = Toy("attention")
    with pytest.raises(ValueError, match=message):
        write_qonnx(toy.graph, toy.quantized(**options))


def quantizer_model(kind, parameters, **attributes):
    """(4, 500) through one quantizer, and a layer that keeps it company."""
    constants = [numpy_helper.from_array(np.float32(value), f"p{place}") for place, value in enumerate(parameters)]
    names = [tensor.name for tensor in constants]
    nodes = [
        helper.make_node(kind, ["x", *names], ["q"], domain="qonnx.custom_op.general", **attributes),
        helper.make_node("MatMul", ["q", "w"], ["y"]),
    ]
    random = np.random.default_rng(1)
    made = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", 1, [4, 500])],
        [helper.make_tensor_value_info("y", 1, [4, 3])],
        [*constants, networks.tensor(random, "w", 500, 3)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString()


FLAGS = {"has_subnormal": 1, "has_inf": 0, "has_nan": 0, "saturation": 1}
QUANTIZERS = {
    "int4": ("Quant", [0.37, 0, 4], {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}),
    "int4s": ("Quant", [0.5, 0, 4], {"signed": 1, "narrow": 1}),
    "uint8": ("Quant", [0.011, 77, 8], {"signed": 0, "narrow": 0}),
    "uint3": ("Quant", [0.5, 0, 3], {"signed": 0, "narrow": 1}),
    "int6": ("Quant", [0.125, 0, 6], {"signed": 1, "narrow": 0, "rounding_mode": "CEIL"}),
    "int5": ("Quant", [0.3, 0, 5], {"signed": 1, "narrow": 0, "rounding_mode": "floor"}),
    "int7": ("Quant", [0.1, 0, 7], {"signed": 1, "narrow": 0, "rounding_mode": "DOWN"}),
    "int2s": ("BipolarQuant", [0.7], {}),
    "e2m1": ("FloatQuant", [0.5, 2, 1, 1, 6], FLAGS),
    "e4m3": ("FloatQuant", [0.013, 4, 3, 7, 480], FLAGS),
    "e3m2b5": ("FloatQuant", [1, 3, 2, 5, 100], FLAGS),
    "float8_e4m3fn": ("FloatQuant", [0.003, 4, 3, 7, 448], FLAGS | {"has_nan": 1, "rounding_mode": "round"}),
    "float8_e5m2": ("FloatQuant", [0.00001, 5, 2, 15, 57344], FLAGS | {"has_nan": 1, "has_inf": 1}),
}


@pytest.mark.parametrize("format", QUANTIZERS)
def test_quantizers_round_as_the_qonnx_package_does(by_qonnx, format):
    kind, parameters, attributes = QUANTIZERS[format]
    content = quantizer_model(kind, parameters, **attributes)
    quantizer, layer = Graph(content, threads=1).steps
    assert isinstance(quantizer, Quantizer) and isinstance(layer, Layer) and quantizer.format == parse(format)
    random = np.random.default_rng(2)
    ties = np.arange(-500, 500).astype(np.float32) * np.float32(parameters[0] / 4)
    x = np.concatenate([ties, random.standard_normal(1000).astype(np.float32) * 2]).reshape(4, 500)
    expected = by_qonnx(content, {"x": x})["q"]
    np.testing.assert_array_equal(quantizer.run({"x": x})[0], expected)
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize(
    "kind, parameters, attributes, message",
    [
        ("Quant", [1, 0, 4], {"rounding_mode": "HALF_UP"}, "rounding mode must be ROUND, .*, not 'HALF_UP'"),
        ("Quant", [1, 0.5, 4], {}, "zero point must be one whole number, not 0.5"),
        ("Quant", [0, 0, 4], {}, "scale of a Quant must be above 0, not 0.0"),
        ("FloatQuant", [1, 4, 3, 7, 400], FLAGS, "a FloatQuant must have the values of .*, not e4m3 up to 400"),
        ("FloatQuant", [1, 4, 3, 7, 480], FLAGS | {"saturation": 0}, "a FloatQuant must saturate"),
        ("Trunc", [1, 0, 8, 4], {}, "nodes of QONNX must be .*, not 'Trunc'"),
    ],
)
def test_what_is_not_read_is_told_in_a_line(kind, parameters, attributes, message):
    with pytest.raises(ValueError, match=message) as error:
        Graph(quantizer_model(kind, parameters, **attributes))
    assert "\n" not in str(error.value)


def test_weights_with_a_zero_point_are_refused():
    model = onnx.load(DATA / "brevitas.onnx")
    by_weight = next(node for node in model.graph.node if node.op_type == "Quant" and node.output[0] == "_symbolic_1")
    by_weight.input[2] = "seven"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(7), "seven"))
    with pytest.raises(ValueError, match="zero point of weights must be 0, not 7"):
        Graph(model.SerializeToString())


def test_layers_without_quantizers_on_both_sides_stay_float():
    with pytest.raises(ValueError, match="model must have a layer both of whose operands are quantized"):
        as_it_came(Graph(quantizer_model("Quant", [1, 0, 4])))


@pytest.fixture(scope="module")
def brevitas():
    """Trained and exported by tests/data/train_brevitas.py; a batch of 1 in the file."""
    with np.load(NETS / "fashion_test.npz") as test:
        samples = Samples({"image": pixels(test["image"][:100])}, test["expected"][:100])
    return Study(Network("brevitas", "", DATA / "brevitas.onnx", lambda: samples.first(32), lambda: samples))


def test_a_network_of_brevitas_gives_what_brevitas_gives(brevitas):
    with np.load(DATA / "brevitas.npz") as expected:
        outputs = expected["outputs"]
    # to the bit where it was made; elsewhere float32 sums may be in another order
    np.testing.assert_allclose(brevitas.reference, outputs, rtol=1e-4, atol=1e-4)
    layers = brevitas.quantized(None)
    exact = brevitas.outputs(layers, "integer")
    np.testing.assert_array_equal(exact, brevitas.outputs(layers, "float"))
    np.testing.assert_allclose(exact, outputs, rtol=1e-4, atol=1e-4)
    # the first layer's bias came as integers, the last one's did not
    first, *_, last = layers.values()
    assert first.bias is not None and first.after is None and last.bias is None and last.after is not None
    found = {(str(layer.weight_format), str(layer.activation_format), layer.zero_point) for layer in layers.values()}
    assert found == {
        ("int4s", "int8", 0),
        ("float8_e4m3fn", "uint4", 0),
        ("int4s", "e2m1", 0),
        ("int4s", "uint8", 126),
        ("int5s", "uint6", 0),
    }


def test_a_network_of_brevitas_step_by_step_as_the_qonnx_package(brevitas, by_qonnx):
    layers = brevitas.quantized(None)
    exact, fast = integer_engine(layers, quick=False), float_engine(layers, threads=1)
    content, steps = brevitas.network.content(), brevitas.graph.steps
    for sample in brevitas.test.inputs["image"][:5]:
        tensors = by_qonnx(content, {"image": sample[None]})
        for step in steps:
            if isinstance(step, Quantizer):
                np.testing.assert_array_equal(step.run(tensors)[0], tensors[step.output])
            elif isinstance(step, Layer):
                operands = [tensors[name] for name in step.inputs]
                found = exact(step, operands)
                np.testing.assert_array_equal(found, fast(step, operands))
                np.testing.assert_allclose(found, tensors[step.output], rtol=1e-5, atol=1e-5)


def test_a_zero_point_is_taken_off_at_the_border_too(brevitas):
    layer = next(layer for layer in brevitas.quantized(None).values() if layer.zero_point)
    shape = (2, layer.layer.weight.shape[1] // 9, 7, 7)
    operand = np.random.default_rng(5).integers(-layer.zero_point, 256 - layer.zero_point, shape)
    operand = (operand * layer.divisor).astype(np.float32)
    layers = {layer.layer.name: layer}
    found = integer_engine(layers, quick=False)(layer.layer, [operand])
    np.testing.assert_array_equal(found, float_engine(layers, threads=1)(layer.layer, [operand]))
    np.testing.assert_allclose(found, FloatLayer.plain(layer.layer)([operand]), rtol=1e-4, atol=1e-4)


def test_formats_are_the_networks_own(brevitas):
    with pytest.raises(ValueError, match="formats must not be given for a model that came quantized"):
        brevitas.quantized(Scheme(weight=parse("int4"), activation=parse("int4")))
    toy = Toy("convolutions")
    with pytest.raises(ValueError, match="model must have come quantized, as QONNX"):
        as_it_came(toy.graph)
    with pytest.raises(ValueError, match="model must not have come quantized to be written"):
        write_qonnx(brevitas.graph, brevitas.quantized(None))


def test_study_of_a_quantized_file_by_command(in_folder, capsys):
    for name, count in (("calibration", 32), ("test", 100)):
        with np.load(NETS / f"fashion_{name}.npz") as found:
            np.savez(f"{name}.npz", image=pixels(found["image"][:count]), expected=found["expected"][:count])
    given = ["--calibration", "calibration.npz", "--test", "test.npz"]
    command = ["study", "--model", str(DATA / "brevitas.onnx"), *given]
    metrics = ["--metric", "top1,agreement", "--evaluation", "both", "--jobs", "1", "--json"]
    with pytest.raises(SystemExit) as end:
        main([*command, *metrics])
    assert end.value.code == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["evaluation"] for point in points] == ["float", "integer"]
    for point in points:
        assert (point["weight"], point["activation"]) == ("mixed", "mixed") and len(point["layers"]) == 5
        assert point["metrics"] == {"top1": 0.84, "agreement": 1.0} and point["float32"]["top1"] == 0.84
    with pytest.raises(SystemExit) as end:
        main([*command, "--weight", "int4"])
    assert end.value.code == 2 and "formats and techniques must not be given" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["study", "export", *command[1:]])
    assert end.value.code == 2 and "must not have come quantized to be written" in capsys.readouterr().err


@pytest.mark.parametrize("formats", [("int4", "uint8"), ("e2m1", "e3m2")])
def test_the_qonnx_package_finds_the_formats_at_every_product(formats):
    modelwrapper = pytest.importorskip("qonnx.core.modelwrapper")
    from qonnx.transformation.infer_datatypes import InferDataTypes

    toy = Toy("convolutions")
    content = write_qonnx(toy.graph, toy.quantized(*formats))
    model = modelwrapper.ModelWrapper(onnx.load_model_from_string(content)).transform(InferDataTypes())
    products = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul")]
    found = {tuple(model.get_tensor_datatype(name).name for name in node.input[:2]) for node in products}
    assert len(products) == 5
    assert found == {{"int4": ("UINT8", "INT4"), "e2m1": ("FLOAT<3,2,3>", "FLOAT<2,1,1>")}[formats[0]]}
    # FINN takes unsigned quantizers behind a Relu alone, and none behind a Relu for signed ones
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    before = {makers.get(node.input[0]) for node in model.graph.node if node.name.endswith(f".{formats[1]}.rounded")}
    assert before == {"Relu" if formats[1] == "uint8" else "Div"}


def test_an_older_export_with_constants_as_nodes_and_transposed_weights():
    random = np.random.default_rng(4)
    weight = random.standard_normal((5, 12)).astype(np.float32)
    steps = (np.abs(weight).max(axis=1, keepdims=True) / 7).astype(np.float32)
    parts = {"step": np.float32(0.25), "steps": steps, "zero": np.float32(0), "four": np.float32(4)}
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))
        for name, value in parts.items()
    ]
    domain = {"domain": "onnx.brevitas", "signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    nodes += [
        helper.make_node("Quant", ["w", "steps", "zero", "four"], ["wq"], **domain),
        helper.make_node("Transpose", ["wq"], ["wt"], perm=[1, 0]),
        helper.make_node("Quant", ["x", "step", "zero", "four"], ["xq"], **domain),
        helper.make_node("Reshape", ["xq", "shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "wt"], ["sums"], name="linear"),
        helper.make_node("Add", ["sums", "bias"], ["y"]),
    ]
    constants = {"w": weight, "shape": np.array([1, 3, 12]), "bias": np.arange(5, dtype=np.float32)}
    made = helper.make_graph(
        nodes,
        "older",
        [helper.make_tensor_value_info("x", 1, [1, 36])],
        [helper.make_tensor_value_info("y", 1, [1, 3, 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("onnx.brevitas", 1)]
    graph = Graph(helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString(), threads=1)
    layers = as_it_came(graph)
    (layer,) = layers.values()
    np.testing.assert_array_equal(layer.layer.weight_scale, steps[:, 0])
    x = random.standard_normal((8, 36)).astype(np.float32)
    found = execute(graph, {"x": x}, integer_engine(layers, quick=False))[0]
    left = np.clip(np.rint(x / 0.25), -8, 7).reshape(8, 3, 12) * 0.25
    right = np.clip(np.rint(weight / steps), -8, 7) * steps
    np.testing.assert_allclose(found, left @ right.T + np.arange(5), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found, execute(graph, {"x": x}, float_engine(layers, threads=1))[0])


def test_export_by_command(tmp_path):
    (tmp_path / "toy.onnx").write_bytes(networks.convolutions())
    np.savez(tmp_path / "calibration.npz", image=Toy("convolutions").inputs["image"])
    app = typer.Typer()
    app.command()(export)
    given = ["--model", str(tmp_path / "toy.onnx"), "--calibration", str(tmp_path / "calibration.npz")]
    options = ["--weight", "e2m1,int4", "--edges", "int8", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, [*given, *options])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["files"]
    for row, format in zip(rows, ("e2m1", "int4"), strict=True):
        assert row["file"] == str(tmp_path / "out" / f"toy_{format}_{format}.onnx")
        # the two layers that read one tensor share its quantizer
        layers = as_it_came(Graph(Path(row["file"]).read_bytes()))
        kinds = [(str(layer.weight_format), str(layer.activation_format)) for layer in layers.values()]
        assert kinds == [("int8", "int8"), *[(format, format)] * 3, ("int8", "int8")] and row["quantizers"] == 9


@pytest.mark.parametrize("batch", [1, 4])
def test_what_the_model_leaves_open_is_as_wide_as_the_samples(by_qonnx, tmp_path, batch):
    """The qonnx package runs no model with a dimension that is no number."""
    shape = networks.constant("shape", np.array([0, -1]))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1]),
        helper.make_node("Reshape", ["c", "shape"], ["y"]),
    ]
    weight = networks.constant("w", networks.normal(1, 2, 3, 3))
    file = tmp_path / "net.onnx"
    file.write_bytes(networks.as_bytes(nodes, ["y"], [shape, weight], {"x": ["batch", 3, "width"]}))
    samples = Samples({"x": networks.normal(2, 4, 3, 7)})
    network = Network("net", "", file, lambda: samples, lambda: samples, ("sqnr",))
    study = Study(network, static=True)
    layers = study.quantized(Scheme(weight=parse("int4"), activation=parse("int8")))
    content = write_qonnx(study.graph, layers, batch)
    dims = onnx.load_model_from_string(content).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [batch, 3, 7]
    found = by_qonnx(content, {"x": samples.inputs["x"][:batch]})["y"]
    np.testing.assert_array_equal(found, study.outputs(layers, "float")[:batch])
