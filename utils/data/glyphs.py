"""The embedded dataset: printed characters, rendered from matplotlib's own fonts and then warped.

62 characters stand in the 47 classes of EMNIST Balanced (Cohen et al., 2017): the lower and upper case of
C I J K L M O P S U V W X Y Z look alike and share a class. Sixteen faces, four families x regular or bold
x upright or slanted, are fully crossed, so that no factor of an image predicts another.
"""

import hashlib
import math
import string
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Generator, Tensor

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
CLASSES = tuple(string.digits + string.ascii_uppercase + "abdefghnqrt")  # EMNIST's order of its 47 classes
FAMILIES = (
    "DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "STIX",
    "Computer Modern", "Computer Modern Sans", "Computer Modern Typewriter",
)  # fmt: skip
SIZE = 28  # pixels, height and width of an image

EM = 20  # pixels of an image per em: capitals are about 15 high
BASELINE = 20  # row of an image where the letters stand, so that ascenders and descenders both fit
DETAIL = 2  # pixels of the rendered master per pixel of an image
CHUNK = 20 * len(CLASSES)  # images made at a time; fixed, so that the bits do not depend on the count


@dataclass(frozen=True)
class Face:
    """One font file, with its factors."""

    file: str
    family: int  # index into FAMILIES
    bold: bool
    slant: bool


FILES = (  # one row per family: regular, slanted, bold, bold slanted
    ("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSans-BoldOblique"),
    ("DejaVuSansMono", "DejaVuSansMono-Oblique", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique"),
    ("DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic"),
    ("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "STIXGeneralBolIta"),
    ("cmr10", "cmti10", "cmb10"),
    ("cmss10",),
    ("cmtt10",),
)
FACES = tuple(
    Face(f"{file}.ttf", family, bold=place >= 2, slant=place % 2 == 1)
    for family, files in enumerate(FILES)
    for place, file in enumerate(files)
)
FACE_SETS = {"crossed": range(0, 16), "shifted": range(16, 21)}  # the second is never trained on


@dataclass(frozen=True)
class Difficulty:
    """How far an image may be from its font's drawing. Ranges are uniform unless said otherwise.

    Args:
        angle: largest rotation in degrees, 0 to 45; far less than the 180 that turn a 6 into a 9.
        zoom: smallest and largest magnification, uniform in its logarithm.
        stretch: largest logarithm of width over height.
        shear: largest horizontal shear in pixels per pixel; small, so that slanted faces stay apart.
        shift: largest displacement in pixels along each axis.
        elastic: standard deviation of the elastic displacement at its nodes, in pixels before the zoom.
        nodes: nodes of the elastic displacement along each axis; more are wavier.
        background: brightest background, 0 to 1.
        gradient: largest change of the background from one side of the image to the other.
        contrast: smallest and largest brightness of the ink above its background.
        noise: largest standard deviation of the pixel noise.

    Raises:
        ValueError: if the angle is outside 0 to 45.
    """

    angle: float = 15.0
    zoom: tuple[float, float] = (0.7, 1.15)
    stretch: float = 0.2
    shear: float = 0.1
    shift: float = 2.5
    elastic: float = 1.1
    nodes: int = 5
    background: float = 0.3
    gradient: float = 0.4
    contrast: tuple[float, float] = (0.3, 0.8)
    noise: float = 0.15

    def __post_init__(self):
        if not 0 <= self.angle <= 45:
            raise ValueError(f"angle is {self.angle}; it has to be between 0 and 45 degrees")


DEFAULT = Difficulty()
PLAIN = Difficulty(
    angle=0, zoom=(1, 1), stretch=0, shear=0, shift=0, elastic=0,
    background=0, gradient=0, contrast=(1, 1), noise=0,
)  # fmt: skip


def draw(
    count: int, generator: Generator, *, faces: str = "crossed", difficulty: Difficulty = DEFAULT
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Draw `count` random images.

    Labels are balanced over the 47 classes: any first k images hold each class k / 47 times, rounded up or
    down. Within a class its one or two characters, and all faces, are equally likely and independent.
    The same seed gives the same bits, and the first images do not depend on `count`.

    Args:
        count: images to draw, 1 or more.
        generator: on the CPU; the only source of randomness. It moves on by whole chunks of 940 images.
        faces: "crossed" for the sixteen faces, "shifted" for the Computer Modern faces.
        difficulty: how far the images are warped; `PLAIN` for not at all.

    Returns:
        images `[count, 1, 28, 28]` float32 in 0 to 1, light ink on a darker background; labels `[count]`
        int64 in 0 to 46; factors, each `[count]`: "character" (index into `CHARACTERS`), "face" (into
        `FACES`), "family" (into `FAMILIES`), "bold" and "slant" (0 or 1), all int64, and "angle" (float32,
        degrees, positive is anticlockwise).

    Raises:
        ValueError: if the count is below 1 or there is no such set of faces.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it has to be 1 or more")
    if faces not in FACE_SETS:
        raise ValueError(f"there are no faces called {faces!r}; choose from {', '.join(FACE_SETS)}")
    chosen = FACE_SETS[faces]
    masters = torch.stack([masters_of(FACES[i]) for i in chosen])  # [faces, 62, 56, 56]
    chunks = [_chunk(masters, chosen[0], generator, difficulty) for _ in range(0, count, CHUNK)]
    images = torch.cat([images for images, _, _ in chunks])[:count].contiguous()
    labels = torch.cat([labels for _, labels, _ in chunks])[:count]
    factors = {k: torch.cat([f[k] for _, _, f in chunks])[:count] for k in chunks[0][2]}
    return images, labels, factors


def fonts_digest() -> str:
    """A hash over the font files that images are drawn from, which come with matplotlib."""
    found = hashlib.sha256()
    for index in FACE_SETS["crossed"]:
        found.update(_font(FACES[index]).read_bytes())
    return found.hexdigest()


def _font(face: Face) -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / face.file


def masters_of(face: Face) -> Tensor:
    """Render every character of one face, at twice the size of an image.

    All stand on one baseline at one size of the em; each is centred from left to right.

    Args:
        face: one of `FACES`.

    Returns:
        `[62, 56, 56]` float32 in 0 to 1, ink is 1.
    """
    font = ImageFont.truetype(str(_font(face)), EM * DETAIL, layout_engine=ImageFont.Layout.BASIC)
    pictures = []
    for character in CHARACTERS:
        left, _, right, _ = font.getbbox(character, anchor="ls")
        picture = Image.new("L", (SIZE * DETAIL, SIZE * DETAIL))
        start = SIZE * DETAIL / 2 - (left + right) / 2
        ImageDraw.Draw(picture).text((start, BASELINE * DETAIL), character, fill=255, font=font, anchor="ls")
        pictures.append(np.asarray(picture))
    ink = torch.from_numpy(np.stack(pictures)).float() / 255
    return F.avg_pool2d(ink, 3, stride=1, padding=1)  # or thin strokes break when sampled every other pixel


def _chunk(masters: Tensor, first_face: int, generator: Generator, difficulty: Difficulty):
    """Draw CHUNK images; returns images, labels, factors as `draw` does."""
    labels = torch.rand(CHUNK // len(CLASSES), len(CLASSES), generator=generator).argsort(1).flatten()
    faces = torch.randint(len(masters), (CHUNK,), generator=generator)
    twin = torch.randint(2, (CHUNK,), generator=generator)  # 1 is lower case, where a class holds both cases
    members = [(c, c if c.lower() in CLASSES else c.lower()) for c in CLASSES]
    characters = torch.tensor([[CHARACTERS.index(c) for c in pair] for pair in members])[labels, twin]
    angle = difficulty.angle * _symmetric(CHUNK, generator)
    grid = _grid(angle, difficulty, generator)
    ink = F.grid_sample(masters[faces, characters].unsqueeze(1), grid, align_corners=False)
    images = _light(ink, difficulty, generator)
    faces = faces + first_face
    factors = {"character": characters, "face": faces}
    for name in ("family", "bold", "slant"):
        factors[name] = torch.tensor([int(getattr(face, name)) for face in FACES])[faces]
    return images, labels, factors | {"angle": angle}


def _grid(angle: Tensor, difficulty: Difficulty, generator: Generator) -> Tensor:
    """Where each pixel of an image comes from in its master, `[N, 28, 28, 2]`, x then y in -1 to 1."""
    n, pixel = len(angle), 2 / SIZE
    low, high = (math.log(z) for z in difficulty.zoom)
    zoom = torch.exp(low + (high - low) * torch.rand(n, generator=generator))
    stretch = torch.exp(difficulty.stretch / 2 * _symmetric(n, generator))
    shear = difficulty.shear * _symmetric(n, generator)
    cos, sin = torch.cos(torch.deg2rad(angle)), torch.sin(torch.deg2rad(angle))
    wide, tall = 1 / (zoom * stretch), stretch / zoom  # grids go from image to master: the inverse warp
    rows = [wide * (cos + shear * sin), wide * (shear * cos - sin), tall * sin, tall * cos]
    turn = torch.stack(rows, 1).view(n, 2, 2)
    shift = difficulty.shift * pixel * _symmetric((n, 1, 2), generator)
    theta = torch.cat([turn, -(turn * shift).sum(2, keepdim=True)], 2)
    nodes = torch.randn(n, 2, difficulty.nodes, difficulty.nodes, generator=generator)
    wave = F.interpolate(nodes * difficulty.elastic * pixel, (SIZE, SIZE), mode="bicubic", align_corners=True)
    return F.affine_grid(theta, (n, 1, SIZE, SIZE), align_corners=False) + wave.permute(0, 2, 3, 1)


def _light(ink: Tensor, difficulty: Difficulty, generator: Generator) -> Tensor:
    """Ink `[N, 1, 28, 28]` on a sloping background, under noise, clipped to 0 to 1."""
    n = len(ink)
    level, slope, noise = torch.rand(3, n, 1, 1, 1, generator=generator)
    low, high = difficulty.contrast
    contrast = low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)
    towards = math.pi * _symmetric((n, 1, 1, 1), generator)
    axis = torch.linspace(-0.5, 0.5, SIZE)
    ramp = torch.cos(towards) * axis.view(1, 1, 1, -1) + torch.sin(towards) * axis.view(1, 1, -1, 1)
    images = difficulty.background * level + difficulty.gradient * slope * ramp + contrast * ink
    images += difficulty.noise * noise * torch.randn(ink.shape, generator=generator)
    return images.clamp_(0, 1)


def _symmetric(shape, generator: Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator) - 1
