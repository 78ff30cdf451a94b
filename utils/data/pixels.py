"""Image files of a reader as the pixels that networks see: colour, of one size, from black to white."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from utils.data.downloads import DataError

SIZE = 32  # pixels, height and width that the images are brought to
WHITES = (1, 2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)  # what white is where a file does not say
BITS, INTERPRETATION = 258, 262  # TIFF's tags; its tags for the largest value describe a single image


@dataclass(frozen=True)
class Picture:
    """One image, in the values of its file.

    Args:
        pixels: `[3, 32, 32]` float32, or uint8 where `white` is 255.
        white: the value of white; None where the file does not say.
        kind: "whole numbers", "fractions" or "colours", of a file with more than 8 bits.
        largest: the largest value of the file.
    """

    pixels: Tensor
    white: float | None = 255
    kind: str = ""
    largest: float = 255


def read_images(paths: list[str]) -> Tensor:
    """Read image files, however many bits their values have.

    Values of more than 8 bits often use a part of their range, such as 12 bits of 16, and few files say so.
    Of all files that do not say, the smallest usual range that holds their values is taken, and printed:
    image by image, a dark one would become as bright as the others.

    Args:
        paths: files that Pillow reads; of one with several pages the first counts.

    Returns:
        `[N, 3, 32, 32]` uint8, stretched where a file is not square. What is transparent lies on white.

    Raises:
        DataError: if a file cannot be read, or holds values whose white nobody could tell.
        PermissionError: if a file may not be read.
    """
    pictures = [_read(path) for path in paths]
    _check_colours(paths, pictures)
    whites = {}
    for kind in ("whole numbers", "fractions"):
        unsaid = [i for i, picture in enumerate(pictures) if picture.kind == kind and not picture.white]
        if unsaid:
            brightest = max(unsaid, key=lambda i: pictures[i].largest)
            whites[kind] = _white(paths[brightest], pictures[brightest])
            most = pictures[brightest].largest
            print(
                f"{len(unsaid)} images hold {kind} up to {most:g} in more than 8 bits; "
                f"{whites[kind]:,} is taken as white."
            )
    return torch.stack([_scaled(picture, picture.white or whites[picture.kind]) for picture in pictures])


def _check_colours(paths: list[str], pictures: list[Picture]) -> None:
    """Of colours with 16 bits Pillow keeps the upper 8, where those of cameras with 12 bits are all but 0."""
    deep = [i for i, picture in enumerate(pictures) if picture.kind == "colours"]
    brightest = max(deep, key=lambda i: pictures[i].largest, default=None)
    if deep and pictures[brightest].largest < 16:
        raise DataError(
            f"{paths[brightest]} and all other colour images of 16 bits use 12 of them or fewer; "
            "save them with 8 bits a channel."
        )


def _white(path: str, picture: Picture) -> int:
    """The value of white, of files whose largest value is that of `picture`."""
    fits = [white for white in WHITES if picture.largest <= white]
    between = picture.kind == "fractions" and 1 < picture.largest <= 2  # a little over 1, or nearly black?
    if not fits or between:
        raise DataError(
            f"{path} holds values up to {picture.largest:g}, and does not say which one is white; "
            "save it with 8 bits a channel."
        )
    return fits[0]


def _scaled(picture: Picture, white: float) -> Tensor:
    if picture.pixels.dtype == torch.uint8:
        return picture.pixels
    return (picture.pixels * (255 / white)).round().clamp(0, 255).to(torch.uint8)


def _read(path: str) -> Picture:
    try:
        with Image.open(path) as image:
            deep = image.mode == "RGB" and ";16" in str(image.tile)  # before it is loaded: then that is gone
            turned = ImageOps.exif_transpose(image)  # phones store a turned photo and a note to turn it back
            if image.mode == "F" or image.mode.startswith("I"):
                return _read_deep(path, image, np.asarray(turned).astype(np.float64))
            pixels = np.array(_on_white(turned))
    except (DataError, PermissionError):
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        raise DataError(f"{path} cannot be read as an image ({error}); replace or remove it.") from error
    kind = "colours" if deep else ""
    return Picture(_resized(torch.from_numpy(pixels).permute(2, 0, 1)), kind=kind, largest=pixels.max())


def _on_white(image: Image.Image) -> Image.Image:
    """In colour; what is transparent shows the white of a page, where black ink stays visible."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _read_deep(path: str, image: Image.Image, values: np.ndarray) -> Picture:
    """A grey image of more than 8 bits a pixel, `[H, W]`."""
    if not np.isfinite(values).all() or values.min() < 0:
        raise DataError(
            f"{path} holds values from {values.min():g} to {values.max():g}, which is no range from black to "
            "white; save it with 8 bits a channel."
        )
    kind, white = ("fractions" if image.mode == "F" else "whole numbers"), None
    tags = getattr(image, "tag_v2", {})
    if tags.get(INTERPRETATION) == 0:  # Pillow turns such values round only where they have 8 bits
        raise DataError(f"{path} stores white as 0 in more than 8 bits; save it with 8 bits a channel.")
    bits = tags.get(BITS, (16,))[0]
    if bits < 16:
        white = 2**bits - 1
    elif image.format == "PPM" and kind == "whole numbers":  # Pillow has scaled it by what the file says
        white = 2**16 - 1
    clear = image.info.get("transparency")
    if isinstance(clear, int):  # this value stands for transparent
        values[values == clear] = white or values.max()
    pixels = _resized(torch.from_numpy(values).float().expand(3, -1, -1))
    return Picture(pixels, white, kind, values.max().item())


def _resized(pixels: Tensor) -> Tensor:
    return transforms.resize(pixels, [SIZE, SIZE], antialias=True)
