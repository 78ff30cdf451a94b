"""Files for arrays with many zeros: what each format stores, and how it is read back."""

import zlib
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import load as read
from safetensors.numpy import save as write
from scipy.sparse import csr_array

FORMS = ("dense", "dense, deflated", "CSR", "bit mask")


def pack(arrays: Mapping[str, np.ndarray], form: str) -> bytes:
    """Store float32 arrays.

    Args:
        arrays: name to array of two or more dimensions.
        form: "dense" stores every value; "dense, deflated" compresses that file by DEFLATE; "CSR" (compressed
            sparse rows) stores the values that are not 0, the column of each and where each row begins, with
            the first dimension as rows; "bit mask" stores a bit a value and the values that are not 0.

    Returns:
        The bytes of the file, in the safetensors format, with the arrays' shapes.

    Raises:
        ValueError: if the form is unknown.
    """
    if form not in FORMS:
        raise ValueError(f"the form is {form!r}; it has to be one of {', '.join(FORMS)}")
    parts = {}
    for name, array in arrays.items():
        parts[f"{name}:shape"] = np.array(array.shape, dtype=np.int32)
        if form == "CSR":
            rows = csr_array(array.reshape(len(array), -1))
            parts |= {f"{name}:{part}": getattr(rows, part) for part in ("data", "indices", "indptr")}
        elif form == "bit mask":
            parts |= {f"{name}:mask": np.packbits(array != 0), f"{name}:data": array[array != 0]}
        else:
            parts[f"{name}:data"] = np.ascontiguousarray(array)
    file = write(parts)
    return zlib.compress(file, 9) if form == "dense, deflated" else file


def unpack(file: bytes, form: str) -> dict[str, np.ndarray]:
    """Give the arrays that `pack` stored, bit for bit but for the sign of zeros.

    Raises:
        ValueError: if the form is unknown.
    """
    if form not in FORMS:
        raise ValueError(f"the form is {form!r}; it has to be one of {', '.join(FORMS)}")
    parts = read(zlib.decompress(file) if form == "dense, deflated" else file)
    arrays = {}
    for name in (key.removesuffix(":shape") for key in parts if key.endswith(":shape")):
        shape, data = tuple(parts[f"{name}:shape"]), parts[f"{name}:data"]
        if form == "CSR":
            inner = parts[f"{name}:indices"], parts[f"{name}:indptr"]
            data = csr_array((data, *inner), shape=(shape[0], int(np.prod(shape[1:])))).toarray()
        elif form == "bit mask":
            kept = np.unpackbits(parts[f"{name}:mask"], count=int(np.prod(shape))).astype(bool)
            full = np.zeros(len(kept), dtype=data.dtype)
            full[kept] = data
            data = full
        arrays[name] = data.reshape(shape)
    return arrays
