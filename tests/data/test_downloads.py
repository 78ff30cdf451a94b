"""The well-known datasets: against torchvision, files written here, and failures provoked one by one.

No test opens a connection: torchvision's transfer function is replaced.
"""

import gzip
import hashlib
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from utils import data
from utils.data import downloads, loading

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("BOOK_DATA_DIR") or ROOT.parent / "shared" / "data")
needs_fashion = pytest.mark.skipif(
    not (REAL / "FashionMNIST" / "raw").is_dir(),
    reason="no Fashion-MNIST: set BOOK_DATA_DIR to a folder that holds FashionMNIST/raw",
)


def rows(images):
    """Each image as bytes, to compare sets of images."""
    return [image.numpy().tobytes() for image in images]


@needs_fashion
def test_fashion_mnist_is_the_official_one():
    found = data.load("fashion-mnist", seed=100, data_dir=REAL)
    official = datasets.FashionMNIST(REAL, train=True)
    assert [len(found.train), len(found.validation), len(found.test)] == [20_000, 5_000, 10_000]
    assert found.train.labels.bincount().tolist() == [2000] * 10
    assert found.validation.labels.bincount().tolist() == [500] * 10
    test = datasets.FashionMNIST(REAL, train=False)
    assert torch.equal(found.test.images[:, 0], test.data / 255) and torch.equal(
        found.test.labels, test.targets
    )
    known = {
        image.tobytes(): int(label)
        for image, label in zip(official.data.numpy(), official.targets, strict=True)
    }
    pixels = (found.train.images[:, 0] * 255).round().to(torch.uint8)
    assert all(
        known[row] == label for row, label in zip(rows(pixels), found.train.labels.tolist(), strict=True)
    )
    assert not set(rows(found.train.images)) & set(rows(found.validation.images))
    assert found.classes[9] == "Ankle boot"


@needs_fashion
def test_fashion_mnist_whole_leaves_validation_out():
    found = data.load("fashion-mnist", seed=100, train_size=None, data_dir=REAL)
    assert found.train.labels.bincount().tolist() == [5500] * 10


def idx(array):
    """An array in the format of MNIST's files, big-endian: 8 is the code for unsigned bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def small_mnist(monkeypatch):
    """A Fashion-MNIST of 200 and 50 images, which a pretended network delivers; returns its files."""
    numbers = np.random.default_rng(100)
    contents = {}
    for part, count in (("train", 200), ("t10k", 50)):
        contents[f"{part}-images-idx3-ubyte"] = idx(numbers.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        contents[f"{part}-labels-idx1-ubyte"] = idx((np.arange(count) % 10).astype(np.uint8))
    packed = {f"{file}.gz": gzip.compress(content) for file, content in contents.items()}
    sums = [(file, hashlib.md5(content).hexdigest()) for file, content in packed.items()]
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    source = replace(downloads.SOURCES["fashion-mnist"], digests=digests)
    monkeypatch.setitem(downloads.SOURCES, "fashion-mnist", source)
    monkeypatch.setattr(datasets.FashionMNIST, "resources", sums)
    monkeypatch.setattr(loading, "VALIDATION", 50)
    monkeypatch.setattr(loading, "TRAIN", 100)
    monkeypatch.setattr(datasets.utils, "_get_redirect_url", lambda url, max_hops: url)

    def transfer(url, path):
        Path(path).write_bytes(packed[url.rsplit("/", 1)[1]])

    monkeypatch.setattr(datasets.utils, "_urlretrieve", transfer)
    return contents


def put(folder, contents):
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file, content in contents.items():
        (raw / file).write_bytes(content)
    return raw


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_download_is_moved_into_place_and_read(small_mnist, tmp_path):
    found = data.load("fashion-mnist", data_dir=tmp_path / "new" / "folder")
    assert [len(found.train), len(found.validation), len(found.test)] == [100, 50, 50]
    pixels = np.frombuffer(small_mnist["t10k-images-idx3-ubyte"][16:], np.uint8).reshape(50, 1, 28, 28)
    assert np.allclose(found.test.images.numpy(), pixels / 255, atol=1e-6)
    raw = ["FashionMNIST", "FashionMNIST/raw", *(f"FashionMNIST/raw/{file}" for file in sorted(small_mnist))]
    assert files_below(tmp_path / "new" / "folder") == raw


def test_files_that_are_there_are_not_downloaded(small_mnist, tmp_path, monkeypatch):
    put(tmp_path, small_mnist)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", lambda *_: pytest.fail("downloaded"))
    monkeypatch.setenv("BOOK_DATA_DIR", str(tmp_path))
    assert len(data.load("fashion-mnist").test) == 50


def test_a_missing_file_is_fetched(small_mnist, tmp_path):
    raw = put(tmp_path, small_mnist)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert len(data.load("fashion-mnist", data_dir=tmp_path).test) == 50


def no_network(url, path):
    raise URLError("Network is unreachable")


def cut_off(url, path):
    Path(path).write_bytes(b"\x1f\x8b half of it")
    raise ConnectionResetError("Connection reset by peer")


def tampered(url, path):
    Path(path).write_bytes(gzip.compress(b"something else"))


@pytest.mark.parametrize(
    "transfer, reason",
    [(no_network, "Network is unreachable"), (cut_off, "Connection reset"), (tampered, "corrupted")],
    ids=["no network", "cut off", "tampered"],
)
def test_a_failed_download_says_so_and_leaves_nothing(small_mnist, tmp_path, monkeypatch, transfer, reason):
    monkeypatch.setattr(datasets.utils, "_urlretrieve", transfer)
    with pytest.raises(downloads.DataError, match=reason) as error:
        data.load("fashion-mnist", data_dir=tmp_path / "new" / "folder")
    message = str(error.value)
    assert str(tmp_path / "new/folder/FashionMNIST/raw") in message and "train-images-idx3-ubyte" in message
    assert '"glyphs"' in message and "\n" not in message
    assert files_below(tmp_path) == []


def test_a_download_that_torchvision_accepts_is_still_verified(small_mnist, tmp_path, monkeypatch):
    source = downloads.SOURCES["fashion-mnist"]
    wrong = replace(source, digests=source.digests | {"t10k-labels-idx1-ubyte": "0" * 64})
    monkeypatch.setitem(downloads.SOURCES, "fashion-mnist", wrong)
    with pytest.raises(downloads.DataError, match="not the official data: t10k-labels-idx1-ubyte"):
        data.load("fashion-mnist", data_dir=tmp_path)
    assert files_below(tmp_path) == []


def test_a_failed_download_keeps_what_was_there(small_mnist, tmp_path, monkeypatch):
    raw = put(tmp_path, small_mnist)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    before = files_below(tmp_path)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", no_network)
    with pytest.raises(downloads.DataError, match="unreachable"):
        data.load("fashion-mnist", data_dir=tmp_path)
    assert files_below(tmp_path) == before


def test_a_data_folder_that_cannot_be_made_is_an_error(small_mnist, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(downloads.DataError, match="Could not find fashion-mnist in .*file"):
        data.load("fashion-mnist", data_dir=tmp_path / "file")


@pytest.mark.parametrize("file", downloads.IDX)
@pytest.mark.parametrize("harm", ["truncated", "tampered"])
def test_damaged_files_are_named(small_mnist, tmp_path, file, harm):
    raw = put(tmp_path, small_mnist)
    content = small_mnist[file]
    (raw / file).write_bytes(content[:-7] if harm == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(downloads.DataError, match=f"damaged: {file}, of .* bytes.*delete that file") as error:
        data.load("fashion-mnist", data_dir=tmp_path)
    assert str(raw) in str(error.value) and '"glyphs"' in str(error.value)


@needs_fashion
def test_a_truncated_file_of_the_real_fashion_mnist_is_an_error(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in downloads.IDX[:3]:
        (raw / file).symlink_to((REAL / "FashionMNIST" / "raw" / file).resolve())
    labels = (REAL / "FashionMNIST" / "raw" / downloads.IDX[3]).read_bytes()
    (raw / downloads.IDX[3]).write_bytes(labels[:5000])
    with pytest.raises(downloads.DataError, match="t10k-labels-idx1-ubyte, of 5,000 bytes"):
        data.load("fashion-mnist", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_others_say_what_they_want(tmp_path, monkeypatch, name):
    monkeypatch.setattr(datasets.utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", no_network)
    wanted = {"mnist": "MNIST/raw .*t10k-labels-idx1-ubyte", "cifar10": "cifar-10-batches-py .*data_batch_5"}
    with pytest.raises(downloads.DataError, match=wanted[name]):
        data.load(name, data_dir=tmp_path)
    assert files_below(tmp_path) == []


def test_cifar10_is_read_as_torchvision_reads_it(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    numbers = np.random.default_rng(100)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    pixels = {name: numbers.integers(0, 256, (20, 3072), dtype=np.uint8) for name in names}
    for name in names:
        (folder / name).write_bytes(
            pickle.dumps({"data": pixels[name], "labels": [i % 10 for i in range(20)]})
        )
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    source = replace(downloads.SOURCES["cifar10"], digests=sums)
    monkeypatch.setitem(downloads.SOURCES, "cifar10", source)
    monkeypatch.setattr(loading, "VALIDATION", 20)
    found = data.load("cifar10", data_dir=tmp_path)
    assert (found.channels, found.size, found.num_classes) == (3, 32, 10)
    assert [len(found.train), len(found.validation), len(found.test)] == [80, 20, 20]
    official = pixels["test_batch"].reshape(20, 3, 32, 32) / 255  # the format: red plane, green, blue
    assert np.allclose(found.test.images.numpy(), official, atol=1e-6)


def test_the_digests_are_complete():
    for source in downloads.SOURCES.values():
        length = {"sha256": 64, "md5": 32}[source.algorithm]
        assert all(len(digest) == length for digest in source.digests.values())
        assert len(source.digests) == (7 if source.algorithm == "md5" else 4) and len(source.classes) == 10
