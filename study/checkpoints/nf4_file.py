"""NF4 as bitsandbytes writes it into safetensors: two codes a byte, and a scale for each block of values.

Beside the tensor NAME stand NAME.absmax, the scales; NAME.quant_map, the values of the codes; and the state
NAME.quant_state.bitsandbytes__nf4, JSON as bytes. Scales may be quantized in their turn (QLoRA's double quantization):
absmax is then a byte each, NAME.nested_quant_map has the values of these, and NAME.nested_absmax their scales.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import parse
from .stored_tensor import CheckpointEntry, StoredTensor, same

__all__ = ["entries", "unpack"]

Array = NDArray[Any]

STATE = ".quant_state.bitsandbytes__nf4"
PARTS = ("", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", STATE)
"""What is behind a tensor's name."""


def unpack(parts: dict[str, Array]) -> StoredTensor:
    """The tensor of these parts, by their names without that of the tensor; its codes are under an empty name.

    Raises ValueError where the values of the codes are not those of NF4.
    """
    format = parse("nf4")
    state = json.loads(parts[STATE].tobytes())
    values = np.array([format.value(code) for code in format.codes], np.float32)
    if not same(parts[".quant_map"].astype(np.float32), values):
        raise ValueError("quant_map must have the values of NF4, not others")
    count = int(np.prod(state["shape"]))
    scales = _scales(parts, state)
    if scales.size * state["blocksize"] < count or 2 * parts[""].size < count:
        raise ValueError(f"codes and absmax must be of {count} values, not of fewer")
    return StoredTensor(
        format=format,
        codes=_codes(parts[""], count).reshape(state["shape"]),
        block_size=state["blocksize"],
        scales=scales,
        scale_format="float32" if ".nested_absmax" not in parts else "nested",
        offsets=None,
        stored_bits=sum(8 * parts[name].nbytes for name in ("", ".absmax", ".nested_absmax") if name in parts),
    )


def _codes(stored: Array, count: int) -> Array:
    """The upper half of a byte comes first."""
    flat = stored.reshape(-1)
    return np.stack([flat >> 4, flat & 15], axis=1).reshape(-1)[:count]


def _scales(parts: dict[str, Array], state: dict[str, Any]) -> NDArray[np.float32]:
    if ".nested_absmax" not in parts:
        return parts[".absmax"].astype(np.float32, copy=False)
    outer = np.repeat(parts[".nested_absmax"], state["nested_blocksize"])[: parts[".absmax"].size]
    return np.asarray(parts[".nested_quant_map"][parts[".absmax"]] * outer + np.float32(state["nested_offset"]))


def entries(path: Path) -> Iterator[CheckpointEntry]:
    """Every tensor of a file, with the table in the file times the scales as the reference. Raises ValueError for
    another file."""
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"a checkpoint must be one that safetensors reads, not {str(path)!r}") from error
    with file:
        names = file.keys()
        quantized = [name.removesuffix(STATE) for name in names if name.endswith(STATE)]
        beside = {name + part for name in quantized for part in PARTS if part}
        for name in names:
            if name in quantized:
                parts = {part: file.get_tensor(name + part) for part in PARTS if name + part in names}
                try:
                    tensor = unpack(parts)
                except (ValueError, KeyError) as error:
                    raise ValueError(f"tensor {name!r} of {str(path)!r}: {error}") from None
                yield CheckpointEntry(
                    name, tensor.codes.shape, "nf4", tensor, same(tensor.values(), _dequantized(parts, tensor))
                )
            elif name not in beside:
                part = file.get_slice(name)
                yield CheckpointEntry(name, tuple(part.get_shape()), part.get_dtype(), None, None)


def _dequantized(parts: dict[str, Array], tensor: StoredTensor) -> Array:
    """What bitsandbytes makes of a tensor in float32: the table's value times the block's scale."""
    values = parts[".quant_map"].astype(np.float32)[tensor.codes.reshape(-1)]
    return np.asarray(values * np.repeat(tensor.scales, tensor.block_size)[: values.size]).reshape(tensor.codes.shape)
