"""Trained weights in files that are never half-written, and never believed when they are damaged."""

import hashlib
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


def save_state(path: Path, state: dict[str, Tensor]) -> None:
    """Write `state` beside `path` and rename it, so that no reader ever sees half a file."""
    part = path.with_suffix(".part")
    save_file(state, part, metadata={"digest": _digest(state)})
    os.replace(part, path)


def load_state(path: Path) -> dict[str, Tensor] | None:
    """The tensors stored at `path`, or None where there is no file or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            digest = (file.metadata() or {}).get("digest")
    except (OSError, SafetensorError):
        return None
    return state if digest == _digest(state) else None


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy())
    return digest.hexdigest()
