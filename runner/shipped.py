"""Trains the networks that ship with the book: `python -m runner.shipped` writes `book/networks`.

They are those that the default pages start from, of the default dataset and seed 0.
"""

import os
from dataclasses import replace

from tqdm import tqdm

from utils.data import load
from utils.evidence.store import DEFAULT_DATASET, ROOT
from utils.training import COMMON, FOUNDATION, MUON, RECIPE, base_network
from utils.training.networks import network_name
from utils.training.storage import save_state

SEED = 0
SHIPPED = (  # width and recipe
    (32, RECIPE),
    (8, RECIPE),
    (32, FOUNDATION),
    (8, FOUNDATION),
    (32, MUON),
    (8, MUON),
    (8, COMMON),  # chapter 2 tells the search from what is common
    (32, replace(COMMON, batch_size=64)),  # chapter 3 prunes it
)
MOST_BYTES = 8_000_000  # of all of them: they lie in git


def names(data):
    """Give the names of the networks that are to ship: name to width and recipe."""
    return {network_name(data, SEED, width, recipe): (width, recipe) for width, recipe in SHIPPED}


def make(root=ROOT):
    """Train what is missing in `book/networks` and remove what no page starts from.

    Returns:
        Bytes of the folder.
    """
    folder = root / "book" / "networks"
    folder.mkdir(exist_ok=True)
    data = load(DEFAULT_DATASET, seed=SEED)
    wanted = names(data)
    for file in folder.glob("*.safetensors"):
        if file.stem not in wanted:
            file.unlink()
    os.environ["BOOK_NETWORKS_DIR"] = ""  # the cache may serve, an older file that ships may not
    for name, (width, recipe) in tqdm(wanted.items(), desc="networks"):
        network = base_network(data, SEED, width=width, recipe=recipe)
        state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
        save_state(folder / f"{name}.safetensors", state)
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    print(f"book/networks holds {make():,} bytes; at most {MOST_BYTES:,} may ship.")
