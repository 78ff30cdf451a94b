"""The trained networks that chapters start from: shipped with the book, cached, or trained here."""

import hashlib
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn

from utils import models
from utils.data import splits
from utils.data.splits import Dataset
from utils.source import code_digest, digest
from utils.training import augmentation, loop, muon
from utils.training import recipe as recipes
from utils.training.recipe import RECIPE, Recipe
from utils.training.storage import load_state, save_state

ROOT = Path(__file__).parents[2]
TRAINING_CODE = tuple(module.__file__ for module in (models, splits, augmentation, muon, recipes, loop))


def base_network(data: Dataset, seed: int, *, width: int = 32, recipe: Recipe = RECIPE) -> nn.Module:
    """The trained residual network that chapters start from.

    It comes from `BOOK_NETWORKS_DIR` (default `book/networks/`; empty for none), where the book ships the
    networks of its default pages; else from `BOOK_CACHE_DIR` (default `.cache/` in the book's root); else it
    is trained, and cached. Processes that ask for the same network at the same time train it once. A file
    that is damaged is made again.

    Args:
        data: its training part is part of the name under which a network is kept: by its origin, and where
            that is not known by its pixels.
        seed: drives initialisation and order.
        width: 32 is the base network, 8 the small one.
        recipe: how it is trained.

    Returns:
        A `ResNet` on the CPU, in eval mode.

    Raises:
        OSError: if the network has to be trained, and may not be kept.
    """
    model = models.seeded(lambda: models.ResNet(width, data.channels, data.num_classes), seed)
    name = network_name(data, seed, width, recipe)
    state = _shipped(name)
    if state is None:
        state = _cached(name, model, data, seed, recipe)
    model.cpu().load_state_dict(state)
    return model.eval()


def network_name(data: Dataset, seed: int, width: int, recipe: Recipe) -> str:
    """A name for a trained network that changes with everything that could change its weights.

    It is the same on every machine. torch's version is not in it: the cache adds that, as another torch
    trains other weights; a shipped network is a trained network under every torch.
    """
    images = data.train.origin or _pixels(data)
    settings = sorted((name, repr(value)) for name, value in asdict(recipe).items())
    key = digest(code_digest(*TRAINING_CODE), images, data.num_classes, seed, settings)
    return f"resnet{width}-{Path(data.name).name}-{seed}-{key}"


def _pixels(data: Dataset) -> str:
    found = hashlib.sha256()
    for tensor in (data.train.images, data.train.labels):
        found.update(tensor.cpu().contiguous().numpy())
    return found.hexdigest()


def _shipped(name: str) -> dict | None:
    folder = os.environ.get("BOOK_NETWORKS_DIR", str(ROOT / "book" / "networks"))
    return load_state(Path(folder) / f"{name}.safetensors") if folder else None


def _cached(name: str, model: nn.Module, data: Dataset, seed: int, recipe: Recipe) -> dict:
    folder = Path(os.environ.get("BOOK_CACHE_DIR") or ROOT / ".cache")
    path = folder / f"{name}-{digest(torch.__version__)}.safetensors"
    state = load_state(path)
    if state is not None:
        return state  # also from a folder that may not be written
    _check_writable(folder)
    with FileLock(f"{path}.lock"):
        state = load_state(path)
        if state is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            loop.fit(model.to(device), data, seed=seed, recipe=recipe)
            state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
            save_state(path, state)
    return state


def _check_writable(folder: Path) -> None:
    """Say it before minutes of training, rather than after them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"trained networks cannot be kept in {folder} ({error.strerror}); set BOOK_CACHE_DIR to a folder "
            "of your own"
        ) from error
