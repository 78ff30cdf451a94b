"""The embedded dataset, against EMNIST's list of classes, the fonts' own names, Pillow and matplotlib."""

import hashlib
import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image, ImageFont
from scipy.stats import chi2_contingency
from torchvision.datasets import EMNIST

from utils.data import glyphs

ROOT = Path(__file__).parents[2]
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
MISSING = [face.file for face in glyphs.FACES if not (FONTS / face.file).exists()]
all_faces = pytest.mark.skipif(
    bool(MISSING), reason=f"this matplotlib ships without {MISSING}, never trained on"
)


def seeded(seed=100):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def drawn():
    return glyphs.draw(9400, seeded())


def test_classes_are_those_of_emnist_balanced():
    assert list(glyphs.CLASSES) == EMNIST.classes_split_dict["balanced"]


def test_labels_follow_the_merge(drawn):
    _, labels, factors = drawn
    found = {}
    for character, label in zip(factors["character"].tolist(), labels.tolist(), strict=True):
        found.setdefault(glyphs.CHARACTERS[character], set()).add(glyphs.CLASSES[label])
    expected = {c: {c} for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"}
    expected |= {c: {c.upper()} for c in "cijklmopsuvwxyz"}
    assert found == expected


def test_images_are_as_promised(drawn):
    images, labels, factors = drawn
    assert images.shape == (9400, 1, 28, 28) and images.dtype == torch.float32
    assert images.min() >= 0 and images.max() <= 1 and images.isfinite().all()
    assert labels.shape == (9400,) and labels.dtype == torch.int64
    assert set(factors) == {"character", "face", "family", "bold", "slant", "angle"}
    assert all(len(values) == 9400 for values in factors.values())
    assert factors["angle"].abs().max() <= glyphs.DEFAULT.angle <= 20


@pytest.mark.parametrize("count", [47, 100, 1500])
def test_every_beginning_is_balanced(drawn, count):
    counts = torch.bincount(drawn[1][:count], minlength=47)
    assert counts.max() - counts.min() <= 1


def test_first_images_do_not_depend_on_the_count(drawn):
    images, labels, _ = glyphs.draw(1000, seeded())
    assert torch.equal(images, drawn[0][:1000]) and torch.equal(labels, drawn[1][:1000])


def test_factors_of_the_sixteen_faces_are_fully_crossed():
    crossed = [glyphs.FACES[i] for i in glyphs.FACE_SETS["crossed"]]
    combinations = [(face.family, face.bold, face.slant) for face in crossed]
    assert sorted(combinations) == list(itertools.product(range(4), (False, True), (False, True)))


@pytest.mark.parametrize("face", glyphs.FACES, ids=lambda face: face.file)
def test_factors_are_what_the_font_says_of_itself(face):
    if face.file in MISSING:
        pytest.skip(f"this matplotlib ships without {face.file}, which is never trained on")
    family, style = ImageFont.truetype(str(FONTS / face.file)).getname()
    if face.family >= 4:  # Computer Modern's files are named after the font alone
        assert (face.bold, face.slant) == (face.file == "cmb10.ttf", face.file == "cmti10.ttf")
        return
    assert family.removesuffix("General") == glyphs.FAMILIES[face.family]
    assert face.bold == ("Bold" in style)
    assert face.slant == ("Oblique" in style or "Italic" in style)


def test_factors_are_independent_of_each_other_and_of_the_class(drawn):
    _, labels, factors = drawn
    columns = {"class": labels, **{name: factors[name] for name in ("family", "bold", "slant")}}
    for (a, x), (b, y) in itertools.combinations(columns.items(), 2):
        table = np.zeros((x.max() + 1, y.max() + 1))
        np.add.at(table, (x.numpy(), y.numpy()), 1)
        assert chi2_contingency(table).pvalue > 0.001, (a, b)
    assert torch.bincount(factors["face"]).min() > 0.8 * 9400 / 16


def test_both_cases_of_a_merged_class_are_equally_likely(drawn):
    _, labels, factors = drawn
    merged = torch.isin(labels, torch.tensor([glyphs.CLASSES.index(c) for c in "CIJKLMOPSUVWXYZ"]))
    lower = (factors["character"][merged] >= 36).float()
    assert abs(lower.mean() - 0.5) < 4 * 0.5 / len(lower) ** 0.5


@pytest.mark.parametrize("place", [0, 3, 8, 15])
def test_undistorted_images_look_as_matplotlib_draws_them(place):
    face = glyphs.FACES[place]
    ours = F.avg_pool2d(glyphs.masters_of(face), 2).numpy()
    for character in "0gQWix":
        figure = Figure(figsize=(1, 1), dpi=28 * 8, facecolor="black")  # fine enough not to be hinted
        canvas = FigureCanvasAgg(figure)
        font = FontProperties(fname=FONTS / face.file, size=glyphs.EM * 72 / 28)
        height = 1 - glyphs.BASELINE / 28
        figure.text(0.5, height, character, font=font, color="white", ha="center", va="baseline")
        canvas.draw()
        fine = np.asarray(canvas.buffer_rgba())[:, :, 0] / 255
        here = ours[glyphs.CHARACTERS.index(character)].ravel()
        best = 0
        for dx in range(-16, 17, 4):  # matplotlib centres the advance, we the ink
            theirs = np.roll(fine, dx, 1).reshape(28, 8, 28, 8).mean((1, 3))
            best = max(best, np.corrcoef(theirs.ravel(), here)[0, 1])
        assert best > 0.93, character


def test_undistorted_images_are_the_masters_at_half_size():
    images, _, factors = glyphs.draw(50, seeded(), difficulty=glyphs.PLAIN)
    for image, face, character in zip(images, factors["face"], factors["character"], strict=True):
        master = glyphs.masters_of(glyphs.FACES[face])[character]
        assert torch.allclose(image[0], F.avg_pool2d(master[None], 2)[0], atol=1e-4)


def test_every_master_fits_into_its_image():
    for face in (face for face in glyphs.FACES if face.file not in MISSING):
        masters = glyphs.masters_of(face)
        assert (masters.flatten(1).sum(1) > 20).all(), face.file
        border = torch.ones(56, 56, dtype=torch.bool)
        border[1:-1, 1:-1] = False
        assert masters[:, border].max() == 0, face.file


def test_angle_is_anticlockwise_as_pillow_turns():
    plain, _, _ = glyphs.draw(30, seeded(), difficulty=glyphs.PLAIN)
    turned, _, factors = glyphs.draw(30, seeded(), difficulty=replace(glyphs.PLAIN, angle=20))
    for before, after, angle in zip(plain[:, 0], turned[:, 0], factors["angle"].tolist(), strict=True):
        expected = np.asarray(Image.fromarray(before.numpy()).rotate(angle, Image.Resampling.BILINEAR))
        assert np.abs(expected - after.numpy()).mean() < 0.02
    assert factors["angle"].abs().max() > 15


def test_zoom_scales_the_area_of_the_ink():
    plain, _, _ = glyphs.draw(200, seeded(), difficulty=glyphs.PLAIN)
    small, _, _ = glyphs.draw(200, seeded(), difficulty=replace(glyphs.PLAIN, zoom=(0.5, 0.5)))
    assert (small.sum() / plain.sum()).item() == pytest.approx(0.25, rel=0.03)


def test_stretch_and_shear_keep_the_area():
    plain, _, _ = glyphs.draw(200, seeded(), difficulty=glyphs.PLAIN)
    bent, _, _ = glyphs.draw(200, seeded(), difficulty=replace(glyphs.PLAIN, stretch=0.2, shear=0.2))
    assert (bent - plain).abs().mean() > 0.01
    assert (bent.sum() / plain.sum()).item() == pytest.approx(1, rel=0.03)


def test_shift_moves_the_centre_by_at_most_its_pixels():
    columns = torch.arange(28.0)
    plain, moved = (
        (images.sum(2) * columns).sum((1, 2)) / images.sum((1, 2, 3))
        for images, _, _ in (
            glyphs.draw(200, seeded(), difficulty=replace(glyphs.PLAIN, zoom=(0.5, 0.5), shift=shift))
            for shift in (0, 4)
        )
    )
    assert 3 < (moved - plain).abs().max() < 4.1  # pixels of the image, whatever the zoom


def test_elastic_displacement_has_its_standard_deviation_in_pixels():
    grid, still = (
        glyphs._grid(torch.zeros(500), replace(glyphs.PLAIN, elastic=elastic), seeded()) for elastic in (2, 0)
    )
    corner = (grid - still)[:, 0, 0] * 14  # grid units to pixels; a corner is a node
    assert corner.std().item() == pytest.approx(2, rel=0.1)


def test_light_parameters_do_what_they_say():
    def first(**change):
        return glyphs.draw(400, seeded(), difficulty=replace(glyphs.PLAIN, **change))[0]

    empty = first() == 0
    assert first(contrast=(0.5, 0.5)).max() == 0.5
    assert 0.38 < first(background=0.4)[empty].max() <= 0.4
    assert 0.2 < first(background=1.0)[empty].median() < 0.8
    noise = first(background=1.0, noise=0.2) - first(background=1.0)
    assert 0.05 < noise.std() < 0.2
    sloped = first(background=1.0, gradient=0.4) - first(background=1.0)
    assert 0.1 < sloped.abs().max() <= 0.2 * 2**0.5 + 1e-6


@all_faces
def test_shifted_faces_are_never_among_the_crossed_ones():
    _, labels, factors = glyphs.draw(940, seeded(), faces="shifted")
    files = {glyphs.FACES[i].file for i in factors["face"].tolist()}
    assert files == {"cmr10.ttf", "cmti10.ttf", "cmb10.ttf", "cmss10.ttf", "cmtt10.ttf"}
    assert (factors["family"] >= 4).all() and torch.bincount(labels).tolist() == [20] * 47


SCRIPT = """
import hashlib, sys, torch
from utils.data import glyphs
torch.set_num_threads(int(sys.argv[1]))
images, labels, factors = glyphs.draw(2000, torch.Generator().manual_seed(100))
digest = hashlib.sha256()
for tensor in (images, labels, *factors.values()):
    digest.update(tensor.numpy())
print(digest.hexdigest())
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_same_bits_in_another_process(drawn, threads):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, threads], cwd=ROOT, capture_output=True, text=True, check=True
    )
    digest = hashlib.sha256()
    images, labels, factors = drawn
    for tensor in (images, labels, *factors.values()):
        digest.update(tensor[:2000].contiguous().numpy())
    assert run.stdout.strip() == digest.hexdigest()


def test_other_seeds_give_other_images(drawn):
    assert not torch.equal(glyphs.draw(47, seeded(101))[0], drawn[0][:47])


def test_global_generator_is_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    glyphs.draw(10, seeded())
    assert torch.equal(before, torch.get_rng_state())


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="count is 0"):
        glyphs.draw(0, seeded())
    with pytest.raises(ValueError, match="'comic'; choose from crossed, shifted"):
        glyphs.draw(1, seeded(), faces="comic")
    with pytest.raises(ValueError, match="between 0 and 45"):
        glyphs.Difficulty(angle=90)
