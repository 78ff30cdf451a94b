"""The well-known datasets, from the disk where they are there, else from the network."""

import hashlib
import http.client
import os
import shutil
import socket
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file

from utils.source import digest

BROKEN = (RuntimeError, OSError, EOFError, http.client.HTTPException, zlib.error, tarfile.TarError)
PATIENCE = 30  # seconds without an answer after which a download has failed
INSTEAD = 'or use the embedded dataset "glyphs", which needs no file'


class DataError(RuntimeError):
    """A dataset could not be had; the message says what was looked for, where, and what to do."""


@dataclass(frozen=True)
class Source:
    """One of torchvision's datasets, and the digests its unpacked files must have."""

    dataset: type
    folder: str  # below the data folder, as torchvision lays it out
    algorithm: str
    digests: dict[str, str]  # file name to digest
    classes: tuple[str, ...]


IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FASHION_SHA256 = (
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)
MNIST_SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
CIFAR10 = datasets.CIFAR10
CIFAR10_MD5 = dict(CIFAR10.train_list + CIFAR10.test_list) | {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SOURCES = {
    "fashion-mnist": Source(
        datasets.FashionMNIST, "FashionMNIST/raw", "sha256",
        dict(zip(IDX, FASHION_SHA256, strict=True)), tuple(datasets.FashionMNIST.classes),
    ),
    "mnist": Source(
        datasets.MNIST, "MNIST/raw", "sha256",
        dict(zip(IDX, MNIST_SHA256, strict=True)), tuple("0123456789"),
    ),
    "cifar10": Source(CIFAR10, CIFAR10.base_folder, "md5", CIFAR10_MD5, CIFAR10_CLASSES),
}  # fmt: skip


@dataclass(frozen=True)
class Images:
    """What a source holds: images `[N, C, H, W]`, uint8 or float32 in 0 to 1, and labels `[N]` int64.

    `origin` is a text that changes with the source's files, and with nothing else.
    """

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    origin: str


def read_source(name: str, data_dir: Path) -> Images:
    """Read a well-known dataset from `data_dir`; download it first where its files are not there.

    Args:
        name: a key of `SOURCES`.
        data_dir: holds `FashionMNIST/raw` and so on, as torchvision lays them out.

    Returns:
        Images as uint8, both parts whole and in their official order.

    Raises:
        DataError: if the files are neither there nor to be downloaded, or are not the official ones.
    """
    source = SOURCES[name]
    folder = data_dir / source.folder
    if not all((folder / file).is_file() for file in source.digests):
        _download(name, source, data_dir)
    damage = _damage(source, folder)
    if damage:
        raise DataError(
            f"The {name} in {folder} is damaged: {damage}; delete that file and the next run downloads it "
            f"again, {INSTEAD}."
        )
    if source.dataset is CIFAR10:
        parts = [CIFAR10(data_dir, train=train) for train in (True, False)]
        pairs = [(torch.from_numpy(p.data).permute(0, 3, 1, 2), torch.tensor(p.targets)) for p in parts]
    else:  # read file by file: torchvision's class would prefer a `processed` folder, which nobody verified
        paths = [str(folder / file) for file in IDX]
        pairs = [(read_image_file(paths[i]).unsqueeze(1), read_label_file(paths[i + 1])) for i in (0, 2)]
    return Images(*pairs[0], *pairs[1], source.classes, digest(name, source.digests))


def _damage(source: Source, folder: Path) -> str:
    """What is wrong with the first file that is not the official one; empty where all are."""
    for file, expected in source.digests.items():
        with (folder / file).open("rb") as content:
            found = hashlib.file_digest(content, source.algorithm).hexdigest()
        if found != expected:
            size = (folder / file).stat().st_size
            return f"{file}, of {size:,} bytes, has the {source.algorithm} {found[:12]}, not {expected[:12]}"
    return ""


def _download(name: str, source: Source, data_dir: Path) -> None:
    """Download into a folder beside the final one; its files move there once all of them are verified."""
    made = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)  # urllib waits for ever otherwise
    part = None
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".download-", dir=data_dir))
        source.dataset(part, train=True, download=True)
        damage = _damage(source, part / source.folder)
        if damage:
            raise RuntimeError(f"what came is not the official data: {damage}")
        (data_dir / source.folder).mkdir(parents=True, exist_ok=True)
        for file in source.digests:
            os.replace(part / source.folder / file, data_dir / source.folder / file)
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"Could not find {name} in {data_dir / source.folder} (it wants {', '.join(source.digests)}) nor "
            f"download it ({reason}); put the files there, connect to the network, {INSTEAD}."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
        if part:
            shutil.rmtree(part, ignore_errors=True)
        for path in made:  # innermost first; a folder that holds something stays
            if path.exists() and not any(path.iterdir()):
                path.rmdir()
