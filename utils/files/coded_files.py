"""Files for networks whose weights share a few values: their places and values in prefix codes."""

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from safetensors.numpy import load as read
from safetensors.numpy import save as write
from torch import Tensor, nn
from torch.nn.utils import parametrize

from utils.measuring.computed import check_plain

LONGEST = 63  # a longer way to the next weight passes over a stored zero (Han et al., 2016, figure 2)
Lengths = Callable[[Mapping[int, int]], Mapping[int, int]]


def code_words(lengths: Mapping[int, int]) -> dict[int, str]:
    """The canonical prefix code of given lengths: short words first, then in the order of the symbols.

    Args:
        lengths: symbol to the bits of its word, 1 or more.

    Returns:
        Symbol to word, a text of 0 and 1. No word begins another one.

    Raises:
        ValueError: if no such code exists, because the words are too short (Kraft's inequality).
    """
    if 0 in lengths.values() or sum(2.0**-length for length in lengths.values()) > 1:
        raise ValueError(f"no prefix code has words of {sorted(lengths.values())} bits; make some longer")
    words, word, last = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        word <<= length - last
        words[symbol] = format(word, f"0{length}b")
        word, last = word + 1, length
    return words


def write_code(symbols: Sequence[int], lengths_of: Lengths) -> dict[str, np.ndarray]:
    """Write whole numbers from 0 on in a prefix code.

    Args:
        symbols: the numbers, at least one.
        lengths_of: called with how often each number occurs, gives the bits of its word.

    Returns:
        `bits`, eight in a byte; `table`, the bits of each word (0: none); `count`, how many numbers.
    """
    lengths = lengths_of(Counter(symbols))
    words = code_words(lengths)
    text = "".join(words[symbol] for symbol in symbols).encode()
    table = [lengths.get(symbol, 0) for symbol in range(max(lengths) + 1)]
    bits = np.packbits(np.frombuffer(text, dtype=np.uint8) - ord("0"))
    return {"bits": bits, "table": np.uint8(table), "count": np.int32([len(symbols)])}


def read_code(parts: Mapping[str, np.ndarray]) -> list[int]:
    """The numbers that `write_code` wrote."""
    lengths = {symbol: int(length) for symbol, length in enumerate(parts["table"]) if length}
    symbols = {word: symbol for symbol, word in code_words(lengths).items()}
    found, word, count = [], "", int(parts["count"][0])
    for bit in np.unpackbits(parts["bits"]):
        word += "01"[bit]
        if word in symbols:
            found.append(symbols[word])
            word = ""
        if len(found) == count:  # what is left fills the last byte
            break
    return found


def encode(network: nn.Module, lengths_of: Lengths) -> bytes:
    """Make a file of a network with shared values, as in Deep Compression (Han et al., 2016).

    Args:
        network: some weights are parametrized by a codebook, a module with `index`, whole numbers in the
            weights' shape, and `values` `[K]`: a weight is `values[index - 1]`, and 0 where the index is 0.
            All that is no such weight is stored in half precision, or in single precision where numbers are
            too large for half; whole numbers stay as they are, but for the counters of batch norms.
        lengths_of: makes the prefix codes, one for the ways from weight to weight and one for the indices.

    Returns:
        The bytes of the file: a safetensors file, deflated for the sake of its header.

    Raises:
        ValueError: if nothing is left of a layer, or if a tensor is computed by anything but a codebook:
            torch's own pruning, a weight norm, another parametrization.
    """
    parts = {
        name: _stored(tensor)
        for name, tensor in network.state_dict().items()
        if "parametrizations" not in name.split(".") and not name.endswith("num_batches_tracked")
    }
    for name, layer in network.named_modules():
        if _has_codebook(layer, name):
            book = layer.parametrizations.weight[0]
            if not book.index.any():
                raise ValueError(f"every weight of {name!r} is pruned; remove the layer")
            weight = f"{name}.weight".removeprefix(".")
            parts |= _layer(weight, book.index.numpy(), book.values.detach(), lengths_of)
    return zlib.compress(write(parts), 9)


def _has_codebook(layer: nn.Module, name: str) -> bool:
    if not parametrize.is_parametrized(layer):
        check_plain(layer, name)
        return False
    steps = [step for tensor in layer.parametrizations.values() for step in tensor]
    if list(layer.parametrizations) != ["weight"] or len(steps) != 1 or not hasattr(steps[0], "index"):
        kinds = " and ".join(type(step).__name__ for step in steps)
        raise ValueError(
            f"{name!r} is parametrized by {kinds}, and only one codebook for its weight can be stored; "
            "call parametrize.remove_parametrizations first"
        )
    return True


def _stored(tensor: Tensor) -> np.ndarray:
    if not tensor.is_floating_point():
        return tensor.contiguous().numpy()
    half = tensor.detach().half()
    fits = torch.equal(half.isinf(), tensor.isinf())
    return (half if fits else tensor.detach().float()).contiguous().numpy()


def _layer(name: str, index: np.ndarray, values: Tensor, lengths_of: Lengths) -> dict[str, np.ndarray]:
    places = np.flatnonzero(index)
    steps, chosen = [], []
    for way, value in zip(np.diff(places, prepend=-1).tolist(), index.flat[places].tolist(), strict=True):
        passed, rest = divmod(way - 1, LONGEST)
        steps += [LONGEST] * passed + [rest + 1]
        chosen += [0] * passed + [value]
    parts = {f"{name}/values": _stored(values), f"{name}/shape": np.int32(index.shape)}
    for kind, symbols in (("steps", steps), ("chosen", chosen)):
        parts |= {f"{name}/{kind}/{key}": part for key, part in write_code(symbols, lengths_of).items()}
    return parts


def decode(file: bytes) -> dict[str, Tensor]:
    """The state of the network in a file: name to tensor, float32 but for whole numbers."""
    parts, state = read(zlib.decompress(file)), {}
    for name in (key.removesuffix("/values") for key in parts if key.endswith("/values")):
        steps, chosen = (
            read_code({key: parts[f"{name}/{kind}/{key}"] for key in ("bits", "table", "count")})
            for kind in ("steps", "chosen")
        )
        weights = np.zeros(parts[f"{name}/shape"], dtype=np.float32)
        weights.flat[np.cumsum(steps) - 1] = np.append(np.float16(0), parts[f"{name}/values"])[chosen]
        state[name] = torch.from_numpy(weights)
    rest = {name: torch.from_numpy(part) for name, part in parts.items() if "/" not in name}
    return state | {name: part.float() if part.is_floating_point() else part for name, part in rest.items()}
