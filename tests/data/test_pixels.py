"""Image files of many kinds, written here with values that are known, and read back."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from utils.data.downloads import DataError
from utils.data.pixels import SIZE, read_images

WHITE, GREY, BLACK = 255, 128, 0


def save(folder, image, name, **options):
    """Save a Pillow image or an array; give the path."""
    path = str(folder / name)
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path, **options)
    return path


def plain(value, dtype):
    return np.full((20, 20), value, dtype)


def read_values(*paths):
    """The value of each image, which has a single one."""
    images = read_images(list(paths))
    assert images.shape == (len(paths), 3, SIZE, SIZE) and images.dtype == torch.uint8
    assert all(len(image.unique()) == 1 for image in images)
    return images[:, 0, 0, 0].tolist()


# transparency


def drawing(mode):
    """Black ink on a transparent ground whose hidden colour is black as well."""
    alpha = Image.new("L", (32, 32), 0)
    alpha.paste(255, (0, 0, 32, 16))
    image = Image.new("LA" if mode == "LA" else "RGBA", (32, 32))
    image.putalpha(alpha)
    return image.convert("PA") if mode == "PA" else image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_a_transparent_ground_is_white(tmp_path, mode):
    drawn = drawing(mode)
    if drawn.getchannel("A").getextrema() != (0, 255):
        pytest.skip(
            f"this Pillow cannot draw such an image: it loses the transparency when it makes a {mode}"
        )
    (image,) = read_images([save(tmp_path, drawn, "x.png" if mode != "PA" else "x.tif")])
    assert (image[:, :15] == BLACK).all() and (image[:, 17:] == WHITE).all()


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_white(tmp_path, mode):
    """PNG and GIF can name one colour, or one entry of the palette, that is not there."""
    pixels = np.zeros((32, 32), np.uint8)
    pixels[16:] = 7
    image = Image.fromarray(pixels)
    if mode == "RGB":
        image = image.convert("RGB")
    if mode == "P":
        image = Image.fromarray(pixels).convert("P")
        image.putpalette([0, 0, 0] * 256)
    clear = (7, 7, 7) if mode == "RGB" else 7
    for suffix in ("png", "gif") if mode == "P" else ("png",):
        (found,) = read_images([save(tmp_path, image, f"x.{suffix}", transparency=clear)])
        assert (found[:, :15] == BLACK).all() and (found[:, 17:] == WHITE).all()


def test_what_is_half_transparent_is_between(tmp_path):
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 127))
    assert read_values(save(tmp_path, image, "x.png")) == [GREY]
    assert read_values(save(tmp_path, image, "x.webp", lossless=True)) == [GREY]


# many bits


def test_fractions_become_the_whole_range(tmp_path, capsys):
    paths = [save(tmp_path, plain(v, np.float32), f"{v}.tif") for v in (0.0, 0.5, 1.0)]
    assert read_values(*paths) == [BLACK, GREY, WHITE]
    assert "3 images hold fractions up to 1 in more than 8 bits; 1 is taken as white." in (
        capsys.readouterr().out
    )
    paths = [save(tmp_path, plain(v, np.float32), f"{v}.tif") for v in (0, 128, 255)]
    assert read_values(*paths) == [BLACK, GREY, WHITE]


@pytest.mark.parametrize("white", [1, 255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("kind", ["png", "int32 tif", "uint16 tif"])
def test_whole_numbers_keep_the_range_that_all_files_share(tmp_path, white, kind):
    """A dark image stays dark: its range is that of the brightest one."""
    dtype, suffix = (np.int32, "tif") if kind == "int32 tif" else (np.uint16, kind[-3:])
    values = [0, white // 3, white]
    paths = [save(tmp_path, plain(v, dtype), f"{v}.{suffix}") for v in values]
    assert read_values(*paths) == [round(255 * v / white) for v in values]


def test_a_file_of_8_bits_beside_them_stays_as_it_is(tmp_path):
    deep, usual = (
        save(tmp_path, plain(4095, np.uint16), "a.png"),
        save(tmp_path, plain(90, np.uint8), "b.png"),
    )
    assert read_values(usual, deep) == [90, WHITE]


def save_grey_tiff(path, values, *, bits, interpretation=1):
    """A TIFF of 20 x 20 as Pillow does not write it; `values` are its bytes."""
    tags = [(256, 20), (257, 20), (258, bits), (259, 1), (262, interpretation), (273, 8), (277, 1), (278, 20)]
    tags += [(279, len(values))]
    content = b"II*\0" + struct.pack("<I", 8 + len(values)) + values + struct.pack("<H", len(tags))
    content += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + bytes(4)
    path.write_bytes(content)
    return str(path)


def test_white_stored_as_0_is_turned_round_or_refused(tmp_path):
    assert read_values(save_grey_tiff(tmp_path / "a.tif", bytes(400), bits=8, interpretation=0)) == [WHITE]
    deep = save_grey_tiff(tmp_path / "b.tif", bytes(800), bits=16, interpretation=0)
    with pytest.raises(DataError, match=r"b\.tif stores white as 0 in more than 8 bits; save it with 8"):
        read_images([deep])


def test_a_range_that_the_file_states_counts(tmp_path):
    """A PGM states its largest value, and a TIFF its bits; neither image reaches white."""
    pgm = tmp_path / "x.pgm"
    pgm.write_bytes(b"P5 20 20 4095\n" + struct.pack(">400H", *[2048] * 400))
    pair = bytes([0x80, 0x08, 0x00])  # 2048 twice, in 12 bits each
    tif = save_grey_tiff(tmp_path / "x.tif", pair * 200, bits=12)
    assert read_values(str(pgm), tif) == [GREY, GREY]


def test_a_transparent_value_of_16_bits_is_white(tmp_path):
    values = plain(30000, np.uint16)
    values[:, :] = np.where(np.arange(20) < 10, 0, 65535)[:, None]
    first = save(tmp_path, values, "x.png", transparency=0)
    assert read_values(first) == [WHITE]


@pytest.mark.parametrize(
    "dtype, value", [(np.int32, 70_000), (np.int32, -1), (np.float32, np.nan), (np.float32, -0.5)]
)
def test_a_range_that_nobody_can_tell_is_refused_by_name(tmp_path, dtype, value):
    path = save(tmp_path, plain(value, dtype), "x.tif")
    with pytest.raises(DataError, match=r"x\.tif holds values .*; save it with 8 bits a channel"):
        read_images([save(tmp_path, plain(1, dtype), "y.tif"), path])


def test_fractions_a_little_over_1_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"x\.tif holds values up to 1.25, and does not say which"):
        read_images([save(tmp_path, plain(1.25, np.float32), "x.tif")])


def save_deep_colours(path, value):
    """A PNG of 16 bits a channel, which Pillow does not write."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = (b"\0" + struct.pack(">60H", *[value] * 60)) * 20
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return str(path)


def test_colours_of_16_bits_are_read_and_those_of_12_refused(tmp_path):
    paths = [save_deep_colours(tmp_path / f"{value}.png", value) for value in (0, 4095, 0x8000, 0xFFFF)]
    assert read_values(*paths) == [BLACK, 15, GREY, WHITE]
    with pytest.raises(DataError, match=r"4095\.png and all other colour images of 16 bits use 12 of them"):
        read_images(paths[:2])


# what has always worked


def test_full_16_bits_cmyk_webp_and_the_first_page_are_read(tmp_path):
    pages = [Image.new("L", (20, 20), value) for value in (GREY, 7)]
    paths = [
        save(tmp_path, np.array([[0, 0x8000], [0xFFFF, 0x8000]], np.uint16), "deep.png"),
        save(tmp_path, Image.new("CMYK", (20, 20), (0, 0, 0, 255)), "cmyk.jpg"),
        save(tmp_path, Image.new("RGB", (20, 20), (GREY,) * 3), "x.webp", lossless=True),
        save(tmp_path, pages[0], "pages.tif", save_all=True, append_images=pages[1:]),
        save(tmp_path, pages[0], "moving.gif", save_all=True, append_images=pages[1:]),
        save(tmp_path, Image.new("1", (20, 20), 1), "one.png"),
    ]
    found = read_images(paths)
    assert found[0].min() == BLACK and found[0].max() == WHITE and found[0, 0, 0, -1] == GREY
    assert found[1:, 0, 9, 9].tolist() == [BLACK, GREY, GREY, GREY, WHITE]


def test_a_deep_photo_is_turned(tmp_path):
    values = np.zeros((20, 40), np.uint16)
    values[:, :20] = 0xFFFF
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees: the left half comes to the top
    (found,) = read_images([save(tmp_path, values, "x.png", exif=exif)])
    assert (found[:, :14] == WHITE).all() and (found[:, 18:] == BLACK).all()
