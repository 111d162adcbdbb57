"""Weights of checkpoints: files written by other packages are read into codes and scales of exactly the same values."""

import json

import numpy as np
import pytest
from fewbit.cli.app import run
from fewbit.formats import parse
from fewbit.study.checkpoints import gguf_file
from fewbit.study.checkpoints.read import read_checkpoint
from fewbit.study.checkpoints.stored_tensor import same

gguf = pytest.importorskip("gguf")
safetensors = pytest.importorskip("safetensors.numpy")

BLOCK_BYTES = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34, "IQ4_NL": 18, "TQ1_0": 54, "TQ2_0": 66}
FORMATS = {"Q4_0": "int4", "Q4_1": "uint4", "Q8_0": "int8", "IQ4_NL": "iq4nl", "TQ1_0": "ternary", "TQ2_0": "ternary"}


def packed(kind, chance, blocks):
    """Blocks of any bytes, but for scales, which are finite, and fields that no quantizer writes."""
    data = chance.integers(0, 256, (blocks, BLOCK_BYTES[kind]), dtype=np.uint8)
    start = {"TQ1_0": 52, "TQ2_0": 64}.get(kind, 0)
    for place in (start, 2) if kind == "Q4_1" else (start,):
        scales = chance.normal(size=blocks).astype(np.float16)
        data[:, place : place + 2] = scales.view(np.uint8).reshape(blocks, 2)
    if kind == "TQ2_0":
        fields = chance.integers(0, 3, (blocks, 64, 4), dtype=np.uint8)
        data[:, :64] = (fields << np.array([0, 2, 4, 6], np.uint8)).sum(axis=2)
    return data


def written(folder, arrays):
    """A GGUF file with these tensors, tuples of bytes by rows and a kind."""
    path = folder / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for name, (data, kind) in arrays.items():
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", BLOCK_BYTES)
def test_any_bytes_have_the_values_that_gguf_gives_them(kind):
    data = packed(kind, np.random.default_rng(7), 300)
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0]
    tensor = gguf_file.unpack(kind, data.reshape(100, -1), (100, 3 * size))
    theirs = gguf.dequantize(data.reshape(100, -1), gguf.GGMLQuantizationType[kind])
    assert same(tensor.values(), theirs.astype(np.float32))
    assert tensor.format == parse(FORMATS[kind]) and tensor.block_size == size and len(tensor.scales) == 300
    assert {*tensor.codes.ravel().tolist()} == {*tensor.format.codes}
    assert tensor.stored_bits == 300 * 8 * BLOCK_BYTES[kind] and (tensor.offsets is not None) == (kind == "Q4_1")


def test_a_file_is_read_tensor_by_tensor(tmp_path, capsys):
    chance = np.random.default_rng(8)
    weights = chance.normal(size=(4, 512)).astype(np.float32)
    arrays = {"plain": (weights, "F32")}
    for kind in BLOCK_BYTES:
        rows = packed(kind, chance, 4 * 2 * 256 // gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0])
        if kind != "IQ4_NL":  # which gguf reads, and does not make
            rows = gguf.quantize(weights, gguf.GGMLQuantizationType[kind])
        arrays[kind] = (rows.reshape(4, -1), kind)
    path = written(tmp_path, arrays)
    found = {entry.name: entry for entry in read_checkpoint(path)}
    assert [*found] == [*arrays]
    assert found["plain"].tensor is None and found["plain"].equal is None and found["plain"].shape == (4, 512)
    for kind, name in FORMATS.items():
        assert found[kind].equal is True and found[kind].tensor.format.name == name
        assert found[kind].shape == found[kind].tensor.codes.shape == (4, 512)
    assert run(["study", "checkpoint", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tensors"]
    assert rows[0] == {"name": "plain", "shape": [4, 512], "stored_as": "F32", "format": None, "equal": None}
    assert rows[-2] == {
        **{"name": "TQ1_0", "shape": [4, 512], "stored_as": "TQ1_0", "format": "ternary", "block_size": 256},
        **{"scale": "float16", "offset": False, "bits_per_value": 1.6875, "equal": True},
    }
    assert run(["study", "checkpoint", str(path)]) == 0
    assert "not read" in capsys.readouterr().out


def nf4_parts(chance, shape, nested):
    """A tensor as bitsandbytes writes it, and the absmax in float32 that it has for every block of 64."""
    count = int(np.prod(shape))
    blocks = -(-count // 64)
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": list(shape)}
    table = np.array([float(parse("nf4").value(code)) for code in range(16)], np.float32)
    parts = {"": chance.integers(0, 256, (-(-count // 2), 1), dtype=np.uint8), ".quant_map": table}
    parts[".absmax"] = absmax = chance.uniform(0.1, 3, blocks).astype(np.float32)
    if nested:
        codes = chance.integers(0, 256, blocks, dtype=np.uint8)
        map_, outer = chance.normal(size=256).astype(np.float32), chance.uniform(size=-(-blocks // 256)).astype("f4")
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.7}
        parts |= {".absmax": codes, ".nested_absmax": outer, ".nested_quant_map": map_}
        absmax = np.array([map_[code] * outer[k // 256] + np.float32(0.7) for k, code in enumerate(codes)], np.float32)
    parts[".quant_state.bitsandbytes__nf4"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
    return parts, absmax


@pytest.mark.parametrize("nested", [False, True])
def test_nf4_of_bitsandbytes_is_read_with_its_scales(tmp_path, nested, capsys):
    shape = (259, 65)
    parts, absmax = nf4_parts(np.random.default_rng(9), shape, nested)
    path = tmp_path / "nf4.safetensors"
    bias = np.zeros(259, np.float32)
    safetensors.save_file({**{f"fc.weight{part}": value for part, value in parts.items()}, "fc.bias": bias}, path)
    found = {entry.name: entry for entry in read_checkpoint(path)}
    assert {*found} == {"fc.weight", "fc.bias"} and found["fc.bias"].tensor is None
    tensor = found["fc.weight"].tensor
    assert found["fc.weight"].equal is True and found["fc.weight"].shape == tensor.codes.shape == shape
    stored = parts[""].ravel()
    expected = [
        parts[".quant_map"][stored[k // 2] >> (0 if k % 2 else 4) & 15] * absmax[k // 64] for k in range(259 * 65)
    ]
    assert same(tensor.values(), np.array(expected, np.float32).reshape(shape))
    assert run(["study", "checkpoint", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "nf4" in shown and ("nested" in shown) == nested


def test_what_is_not_read_is_told_in_one_line(tmp_path, capsys):
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"no checkpoint at all, but long enough")
    other = tmp_path / "bad.safetensors"
    other.write_bytes(b"\xff" * 40)
    wrong, _ = nf4_parts(np.random.default_rng(1), (4, 64), False)
    wrong[".quant_map"] = wrong[".quant_map"][::-1].copy()
    file = tmp_path / "wrong.safetensors"
    safetensors.save_file({f"w{part}": value for part, value in wrong.items()}, file)
    data = packed("TQ2_0", np.random.default_rng(1), 1)
    data[0, 5] = 3
    trits = written(tmp_path, {"w": (data, "TQ2_0")})
    for name, message in {
        path: f"a checkpoint must be a GGUF file that the package gguf reads, not {str(path)!r}",
        other: f"a checkpoint must be one that safetensors reads, not {str(other)!r}",
        file: f"tensor 'w' of {str(file)!r}: quant_map must have the values of NF4, not others",
        trits: f"tensor 'w' of {str(trits)!r}: trits must be 0 to 2, not 3",
        tmp_path
        / "x.bin": f"a checkpoint's file must end in .gguf or .safetensors, not be {str(tmp_path / 'x.bin')!r}",
        tmp_path / "x.gguf": f"a checkpoint must be a file that is there, not {str(tmp_path / 'x.gguf')!r}",
    }.items():
        assert run(["study", "checkpoint", str(name)]) == 2
        assert capsys.readouterr().err == f"fewbit: {message}\n"
    with pytest.raises(ValueError, match=r"^kind must be one of Q4_0, .*, not 'Q6_K'$"):
        gguf_file.unpack("Q6_K", data, (1, 256))
    with pytest.raises(ValueError, match=r"^rows of Q8_0 must be of whole blocks of 32 values, not as in \(1, 30\)$"):
        gguf_file.unpack("Q8_0", data, (1, 30))


def test_a_value_that_differs_is_a_wrong_result(tmp_path, capsys, monkeypatch):
    path = written(tmp_path, {"w": (packed("Q8_0", np.random.default_rng(2), 4), "Q8_0")})
    monkeypatch.setattr(gguf, "dequantize", lambda data, kind: np.zeros((4, 32), np.float32))
    assert run(["study", "checkpoint", str(path)]) == 1
    assert capsys.readouterr().err == "fewbit: values differ from the reference's in w\n"
