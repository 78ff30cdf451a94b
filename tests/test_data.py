"""The datasets: against scikit-learn's arrays, files written here, and failures provoked one by one.

No test opens a connection: torchvision's transfer function is replaced.
"""

import gzip
import hashlib
import os
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets
from torchvision.transforms import v2

from utils import data, downloads, glyphs, stratified

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("BOOK_DATA_DIR") or ROOT.parent / "shared" / "data")
needs_fashion = pytest.mark.skipif(
    not (REAL / "FashionMNIST" / "raw").is_dir(),
    reason="no Fashion-MNIST: set BOOK_DATA_DIR to a folder that holds FashionMNIST/raw",
)


@pytest.fixture(scope="module")
def glyph_data():
    return data.load("glyphs", seed=100, train_size=2000)


def rows(images):
    """Each image as bytes, to compare sets of images."""
    return [image.numpy().tobytes() for image in images]


# embedded datasets


def test_glyphs_have_the_sizes_and_factors_of_the_book(glyph_data):
    assert (glyph_data.channels, glyph_data.size, glyph_data.num_classes) == (1, 28, 47)
    assert [len(glyph_data.train), len(glyph_data.validation), len(glyph_data.test)] == [2000, 5000, 10000]
    for split in (glyph_data.train, glyph_data.validation, glyph_data.test):
        assert all(len(values) == len(split) for values in split.factors.values()) and len(split.factors) == 6
    assert torch.equal(glyph_data.example(3), glyph_data.test.images[:3])
    assert data.TRAIN == 20_000 and glyph_data.classes == glyphs.CLASSES


def test_glyph_parts_share_no_image(glyph_data):
    parts = [set(rows(part.images)) for part in (glyph_data.train, glyph_data.validation, glyph_data.test)]
    assert len(set.union(*parts)) == sum(len(part) for part in parts) == 17_000


def test_seed_changes_train_and_validation_of_glyphs_but_not_test(glyph_data):
    other = data.load("glyphs", seed=101, train_size=47)
    assert not torch.equal(other.train.images, glyph_data.train.images[:47])
    assert not torch.equal(other.validation.images, glyph_data.validation.images)
    assert torch.equal(other.test.images, glyph_data.test.images)


SCRIPT = """
import hashlib
from utils import data
data.VALIDATION = data.TEST = 47
digest = hashlib.sha256()
for found in (data.load("glyphs", seed=100, train_size=47), data.load("digits", seed=100)):
    for part in (found.train, found.validation, found.test):
        digest.update(part.images.contiguous().numpy()[:47])
        digest.update(part.labels.contiguous().numpy()[:47])
print(digest.hexdigest())
"""


def test_same_bits_in_another_process(glyph_data):
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    digest = hashlib.sha256()
    for found in (glyph_data, data.load("digits", seed=100)):
        for part in (found.train, found.validation, found.test):
            digest.update(part.images.contiguous().numpy()[:47])
            digest.update(part.labels.contiguous().numpy()[:47])
    assert run.stdout.strip() == digest.hexdigest()


def test_digits_are_scikit_learns_brought_to_28():
    found = data.load("digits", seed=100)
    assert [len(found.train), len(found.validation), len(found.test)] == [1000, 297, 500]
    assert (found.channels, found.size, found.num_classes) == (1, 28, 10)
    pixels, targets = load_digits(return_X_y=True)
    centres = (np.arange(28) + 0.5) * 8 / 28 - 0.5  # of the new pixels, in old ones
    weights = np.stack([np.interp(centres, np.arange(8), row) for row in np.eye(8)])  # [8, 28]
    expected = np.einsum("nij,ia,jb->nab", pixels.reshape(-1, 8, 8) / 16, weights, weights)
    parts = (found.train, found.validation, found.test)
    images = torch.cat([part.images for part in parts])[:, 0].numpy()
    labels = torch.cat([part.labels for part in parts]).numpy()
    flat = (torch.from_numpy(x.reshape(1797, -1)).double() for x in (expected, images))
    nearest = torch.cdist(*flat).argmin(1).numpy()
    assert sorted(nearest) == list(range(1797))  # each image once, in one part
    assert np.allclose(expected, images[nearest], atol=1e-5) and (targets == labels[nearest]).all()


def test_digits_test_is_fixed_and_the_rest_follows_the_seed():
    first, second = data.load("digits", seed=100), data.load("digits", seed=101)
    assert torch.equal(first.test.images, second.test.images)
    assert not torch.equal(first.train.images, second.train.images)
    assert not torch.equal(first.validation.images, second.validation.images)


# dividing


def test_a_smaller_training_set_is_the_beginning_of_a_larger_one():
    small, large = (data.load("digits", seed=100, train_size=size) for size in (100, 1000))
    assert torch.equal(small.train.images, large.train.images[:100])
    assert torch.equal(small.validation.images, large.validation.images)
    assert small.train.labels.bincount(minlength=10).min() >= 9


@pytest.mark.parametrize("counts", [(600, 600, 600), (500, 30, 270), (97, 89, 113)])
def test_every_beginning_holds_the_classes_in_proportion(counts):
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate(counts)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    order = stratified.order(labels, torch.Generator().manual_seed(100))
    assert order.sort().values.tolist() == list(range(len(labels)))
    for length in (10, 100, 250, len(labels)):
        found = labels[order[:length]].bincount(minlength=3)
        wanted = length * torch.tensor(counts) / len(labels)
        assert (found - wanted).abs().max() <= 2, length


def test_order_within_a_class_is_random():
    labels = torch.zeros(1000, dtype=torch.int64)
    order = stratified.order(labels, torch.Generator().manual_seed(100))
    assert abs(np.corrcoef(order.numpy(), np.arange(1000))[0, 1]) < 0.15


def test_held_out_share_keeps_one_of_each_class():
    labels = torch.tensor([0] * 2 + [1] * 3 + [2] * 40)
    train, held = stratified.divide(labels, 0.15, torch.Generator().manual_seed(100))
    assert labels[held].bincount().tolist() == [1, 1, 6]
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(45))


@pytest.mark.parametrize("size", [0, -5, 9, 1001, 10.0, "many", True])
def test_training_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match=r"train_size is .*digits .* from 10 .* to 1,000, or None for all"):
        data.load("digits", train_size=size)


def test_train_size_none_takes_all():
    found = data.load("digits", train_size=None)
    assert len(found.train) == 1797 - 500 - 297
    with pytest.raises(ValueError, match="glyphs"):
        data.load("glyphs", train_size=10**9)


# batches


def test_batches_without_generator_come_in_order():
    split = data.Split(torch.rand(10, 1, 2, 2), torch.arange(10))
    found = list(data.batches(split, 4))
    assert [len(labels) for _, labels in found] == [4, 4, 2]
    assert torch.equal(torch.cat([images for images, _ in found]), split.images)
    assert found[0][0].data_ptr() == split.images.data_ptr()  # a view: nothing is copied
    assert [len(labels) for _, labels in data.batches(split, 4, drop_last=True)] == [4, 4]
    assert [len(labels) for _, labels in data.batches(split, 5, drop_last=True)] == [5, 5]


def test_batches_with_generator_are_shuffled_the_same_way_each_time():
    split = data.Split(torch.arange(50.0).view(50, 1, 1, 1), torch.arange(50))

    def epoch(generator):
        return [
            (images.flatten().tolist(), labels.tolist())
            for images, labels in data.batches(split, 8, generator=generator)
        ]

    generator = torch.Generator().manual_seed(100)
    first, second = epoch(generator), epoch(generator)
    assert first == epoch(torch.Generator().manual_seed(100)) and first != second
    assert all(images == labels for images, labels in first)  # each image keeps its label
    assert sorted(sum((labels for _, labels in first), [])) == list(range(50))


def test_transforms_are_called_on_whole_batches():
    split = data.Split(torch.rand(10, 1, 4, 4), torch.arange(10))
    flipped = torch.cat(
        [images for images, _ in data.batches(split, 4, transform=v2.RandomHorizontalFlip(1))]
    )
    assert torch.equal(flipped, split.images.flip(3))
    with pytest.raises(ValueError, match="batch_size is 0"):
        next(data.batches(split, 0))


def test_splits_take_their_factors_along():
    split = data.Split(torch.rand(5, 1, 2, 2), torch.arange(5), {"face": torch.arange(5) * 10})
    chosen = split.take(torch.tensor([3, 1]))
    assert chosen.labels.tolist() == [3, 1] and chosen.factors["face"].tolist() == [30, 10]
    assert torch.equal(chosen.images, split.images[[3, 1]])
    moved = data.Dataset("name", split, split, split, ("a",)).to("meta")
    assert {t.device.type for t in (moved.test.images, moved.test.labels, moved.train.factors["face"])} == {
        "meta"
    }


# the well-known datasets


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
    monkeypatch.setattr(data, "VALIDATION", 50)
    monkeypatch.setattr(data, "TRAIN", 100)
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
    with pytest.raises(data.DataError, match=reason) as error:
        data.load("fashion-mnist", data_dir=tmp_path / "new" / "folder")
    message = str(error.value)
    assert str(tmp_path / "new/folder/FashionMNIST/raw") in message and "train-images-idx3-ubyte" in message
    assert '"glyphs"' in message and "\n" not in message
    assert files_below(tmp_path) == []


def test_a_download_that_torchvision_accepts_is_still_verified(small_mnist, tmp_path, monkeypatch):
    source = downloads.SOURCES["fashion-mnist"]
    wrong = replace(source, digests=source.digests | {"t10k-labels-idx1-ubyte": "0" * 64})
    monkeypatch.setitem(downloads.SOURCES, "fashion-mnist", wrong)
    with pytest.raises(data.DataError, match="not the official data: t10k-labels-idx1-ubyte"):
        data.load("fashion-mnist", data_dir=tmp_path)
    assert files_below(tmp_path) == []


def test_a_failed_download_keeps_what_was_there(small_mnist, tmp_path, monkeypatch):
    raw = put(tmp_path, small_mnist)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    before = files_below(tmp_path)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", no_network)
    with pytest.raises(data.DataError, match="unreachable"):
        data.load("fashion-mnist", data_dir=tmp_path)
    assert files_below(tmp_path) == before


def test_a_data_folder_that_cannot_be_made_is_an_error(small_mnist, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(data.DataError, match="Could not find fashion-mnist in .*file"):
        data.load("fashion-mnist", data_dir=tmp_path / "file")


@pytest.mark.parametrize("file", downloads.IDX)
@pytest.mark.parametrize("harm", ["truncated", "tampered"])
def test_damaged_files_are_named(small_mnist, tmp_path, file, harm):
    raw = put(tmp_path, small_mnist)
    content = small_mnist[file]
    (raw / file).write_bytes(content[:-7] if harm == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(data.DataError, match=f"damaged: {file}, of .* bytes.*delete that file") as error:
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
    with pytest.raises(data.DataError, match="t10k-labels-idx1-ubyte, of 5,000 bytes"):
        data.load("fashion-mnist", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_others_say_what_they_want(tmp_path, monkeypatch, name):
    monkeypatch.setattr(datasets.utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", no_network)
    wanted = {"mnist": "MNIST/raw .*t10k-labels-idx1-ubyte", "cifar10": "cifar-10-batches-py .*data_batch_5"}
    with pytest.raises(data.DataError, match=wanted[name]):
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
    monkeypatch.setattr(data, "VALIDATION", 20)
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


# names and folders


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'glyfs'; choose glyphs, digits, fashion-mnist, mnist, cifar10, or"):
        data.load("glyfs")
    with pytest.raises(ValueError, match="choose glyphs"):
        data.load("")


@pytest.fixture
def pictures(tmp_path):
    """Two classes of unlike images: one grey, odd-sized, few; one in colour, many."""
    folder = tmp_path / "my pictures"
    for part, counts in (("train", {"grey": 4, "red": 20}), ("test", {"grey": 2, "red": 3})):
        for name, count in counts.items():
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                grey = Image.new("L", (17 + i, 40), 128)
                picture = grey if name == "grey" else Image.new("RGB", (60, 9 + i), (255, 0, 0))
                picture.save(folder / part / name / f"{i}.{'png' if i % 2 else 'bmp'}")
    return folder


def test_a_folder_becomes_32_pixels_of_red_green_blue(pictures):
    found = data.load(str(pictures), seed=100)
    assert (found.channels, found.size, found.classes) == (3, 32, ("grey", "red"))
    assert found.train.labels.bincount().tolist() == [3, 17]  # 15 % of 20 is 3; of 4 it rounds to 1
    assert found.validation.labels.bincount().tolist() == [1, 3]
    assert found.test.labels.tolist() == [0, 0, 1, 1, 1]
    for part in (found.train, found.validation, found.test):
        for image, label in zip(part.images, part.labels, strict=True):
            colour = [128 / 255] * 3 if label == 0 else [1.0, 0.0, 0.0]
            assert torch.allclose(image, torch.tensor(colour).view(3, 1, 1).expand(3, 32, 32), atol=1e-6)


def test_a_folder_is_resized_as_pillow_does_it(pictures):
    pixels = np.random.default_rng(100).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(pictures / "test" / "grey" / "0.bmp")
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR)) / 255
    found = data.load(pictures).test.images[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1.5 / 255


def test_sixteen_bits_and_turned_photos_are_read_right(pictures):
    deep = np.full((20, 20), 0x8000, np.uint16)
    Image.fromarray(deep).save(pictures / "test" / "grey" / "1.png")
    turned = Image.new("RGB", (40, 20), (0, 0, 0))
    turned.paste((255, 255, 255), (0, 0, 20, 20))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees: the left half comes to the top
    turned.save(pictures / "test" / "red" / "1.png", exif=exif)
    found = data.load(pictures).test.images
    assert torch.allclose(found[1], torch.full((3, 32, 32), 128 / 255))
    assert found[3, :, :14].min() > 0.9 and found[3, :, 18:].max() < 0.1


def test_hidden_files_and_folders_are_passed_over(pictures):
    (pictures / "train" / ".ipynb_checkpoints").mkdir()
    (pictures / "train" / "red" / "._3.png").write_bytes(b"left by a file manager")
    (pictures / "train" / "red" / "notes.txt").write_text("not an image")
    assert len(data.load(pictures).train) == 20


def test_a_folder_needs_no_separator_when_it_exists(pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    assert data.load("my pictures").num_classes == 2


def refuse(folder, *words):
    with pytest.raises(data.DataError) as error:
        data.load(str(folder))
    message = str(error.value)
    assert all(word in message for word in words) and "\n" not in message, message


def test_a_missing_folder_is_named(tmp_path):
    refuse(tmp_path / "nowhere", str(tmp_path / "nowhere"), "train/<class>/*", '"glyphs"')


def test_a_missing_part_is_named(pictures):
    (pictures / "test").rename(pictures / "tests")
    refuse(pictures, str(pictures / "test"), "one folder per class")


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_part_is_named(pictures, part):
    (pictures / part).rename(pictures / "away")
    (pictures / part).mkdir()
    refuse(pictures, str(pictures / part), "no class folders")


@pytest.mark.parametrize("part, other", [("train", "test"), ("test", "train")])
def test_a_class_that_one_part_lacks_is_named(pictures, part, other):
    (pictures / other / "blue").mkdir()
    Image.new("RGB", (5, 5)).save(pictures / other / "blue" / "0.png")
    refuse(pictures, f"{pictures / part} has no folder for blue")


def test_an_empty_class_is_named(pictures):
    for path in (pictures / "test" / "red").iterdir():
        path.unlink()
    refuse(pictures, f"{pictures / 'test' / 'red'} holds no image", ".png")


def test_images_outside_a_class_are_named(pictures):
    Image.new("RGB", (5, 5)).save(pictures / "train" / "stray.png")
    refuse(pictures, f"{pictures / 'train' / 'stray.png'} is in no class")


def test_a_single_class_is_refused(pictures):
    for part in ("train", "test"):
        (pictures / part / "red").rename(pictures / f"red of {part}")
    refuse(pictures, "holds one class")


def test_a_single_training_image_is_refused(pictures):
    for i in (1, 2, 3):
        (pictures / "train" / "grey" / f"{i}.{'png' if i % 2 else 'bmp'}").unlink()
    refuse(pictures, f"{pictures / 'train' / 'grey'} holds a single image")


@pytest.mark.parametrize("harm", ["no image", "truncated", "empty"])
def test_a_corrupt_image_is_named(pictures, harm):
    path = pictures / "train" / "red" / "1.png"
    noise = np.random.default_rng(100).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes({"no image": b"hello", "truncated": content[: len(content) // 2], "empty": b""}[harm])
    refuse(pictures, f"{path} cannot be read as an image", "replace or remove it")
