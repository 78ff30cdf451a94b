"""The losses of chapter 5 against closed forms and loops in 64 bits; its lessons, controls and bad input."""

import builtins
import copy
import json
import math
import symtable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from tests.chapter_source import Chapter, settled_network
from utils.data.splits import Dataset, Split
from utils.measuring import evaluation
from utils.models import ResNet, seeded
from utils.training import RECIPE, fit
from utils.training.augmentation import random_shift
from utils.training.masking import masked, train_masked

DATA = SimpleNamespace(num_classes=5, channels=1, size=6)
CHAPTER = Chapter(
    "05_distillation",
    **{"F": F, "copy": copy, "nn": nn, "np": np, "partial": partial, "replace": replace, "torch": torch},
    **{"Split": Split, "evaluation": evaluation, "fit": fit, "parametrize": parametrize, "seeded": seeded},
    **{"RECIPE": RECIPE, "train_masked": train_masked, "data": DATA, "SEED": 0},
)
LOSSES = ("soft_loss", "check_lesson", "distillation_loss")
LOOKING_UP = ("looked_up", "as_answers")
WATCHING = ("shown", "BLOCKS", "watch", "Features", "KeptFeatures")


@pytest.fixture
def draws():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def logits(draws):
    student, teacher = (3 * torch.randn(7, 5, generator=draws, dtype=torch.float64) for _ in range(2))
    return student, teacher, torch.randint(5, (7,), generator=draws)


def chances(rows, temperature):
    """Softmax by the definition, row by row."""
    powers = [[math.exp(z / temperature) for z in row] for row in rows.tolist()]
    return [[p / sum(row) for p in row] for row in powers]


def divergence(q, p):
    """Mean KL divergence of rows, by the definition: `q` weighs the classes."""
    rows = [sum(b * math.log(b / a) for a, b in zip(x, y, strict=True)) for x, y in zip(p, q, strict=True)]
    return sum(rows) / len(rows)


def cross_entropy(student, labels):
    p = chances(student, 1)
    return -sum(math.log(row[k]) for row, k in zip(p, labels.tolist(), strict=True)) / len(p)


@pytest.mark.parametrize(("temperature", "weight"), [(1, 0.5), (4, 0.9), (8, 1.0), (2, 0.0)])
def test_the_distillation_loss_is_hintons(logits, temperature, weight):
    student, teacher, labels = logits
    loss = CHAPTER.run(*LOSSES)["distillation_loss"](*logits, temperature, weight)
    soft = divergence(chances(teacher, temperature), chances(student, temperature))
    expected = (1 - weight) * cross_entropy(student, labels) + weight * temperature**2 * soft
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_at_high_temperatures_the_gradient_is_the_difference_of_logits(logits):
    student, teacher = (z - z.mean(1, keepdim=True) for z in logits[:2])
    student.requires_grad_()
    CHAPTER.run("soft_loss")["soft_loss"](student, teacher, 1e4).backward()
    expected = (student - teacher).detach() / 5
    torch.testing.assert_close(student.grad * len(student), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher": torch.zeros(2, 4)}, r"\(2, 3\) and \(2, 4\).*same classes"),
        ({"teacher": torch.zeros(3, 3)}, "same images"),
        ({"temperature": 0.0}, "temperature is 0.0; make it above 0"),
        ({"temperature": -1.0}, "above 0"),
        ({"temperature": math.nan}, "above 0"),
        ({"weight": 1.5}, "weight is 1.5; it is a share"),
        ({"weight": -0.1}, "in 0...1"),
    ],
)
def test_bad_lessons_are_refused(change, message):
    good = {"student": torch.zeros(2, 3), "teacher": torch.zeros(2, 3), "labels": torch.tensor([0, 1])}
    loss = CHAPTER.run(*LOSSES)["distillation_loss"]
    loss(**good)
    with pytest.raises(ValueError, match=message):
        loss(**good | change)


BUGS = {  # what each computes, from the right class's part, the teacher's, and the teacher's the wrong way
    "without_square": lambda hard, soft, swapped: 0.1 * hard + 0.9 * soft,
    "mean_over_classes": lambda hard, soft, swapped: 0.1 * hard + 0.9 * 16 * soft / 5,
    "swapped": lambda hard, soft, swapped: 0.1 * hard + 0.9 * 16 * swapped,
}


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_is_the_one_that_it_is_named_for(logits, bug):
    student, teacher, labels = logits
    p, q = chances(student, 4), chances(teacher, 4)
    parts = cross_entropy(student, labels), divergence(q, p), divergence(p, q)
    names = CHAPTER.run(*LOSSES, bug)
    loss = names[bug](*logits).item()
    assert loss == pytest.approx(BUGS[bug](*parts), abs=1e-9)
    assert abs(loss - names["distillation_loss"](*logits).item()) > 1e-2


def test_without_the_square_the_share_falls_and_the_steps_shorten(logits):
    names = CHAPTER.run(*LOSSES, "without_square")
    whole = names["distillation_loss"](*logits, 4.0, 0.36)
    assert names["without_square"](*logits).item() == pytest.approx((0.1 + 0.9 / 16) * whole.item(), abs=1e-9)


@pytest.mark.parametrize(
    ("bug", "change"),
    [
        ("softmax_twice", lambda z: torch.tensor(chances(z, 1), dtype=torch.float64)),
        ("relu_first", lambda z: torch.tensor([[max(x, 0.0) for x in row] for row in z.tolist()])),
    ],
)
def test_bugs_that_change_the_students_logits(logits, bug, change):
    student, teacher, labels = logits
    seen = change(student)
    soft = divergence(chances(teacher, 4), chances(seen, 4))
    expected = 0.1 * cross_entropy(seen, labels) + 0.9 * 16 * soft
    names = CHAPTER.run(*LOSSES, bug)
    assert names[bug](*logits).item() == pytest.approx(expected, abs=1e-5)
    assert abs(expected - names["distillation_loss"](*logits).item()) > 1e-2


def test_logits_are_matched_by_their_squared_difference(logits):
    student, teacher, labels = logits
    squares = [(a - b) ** 2 for a, b in zip(student.flatten().tolist(), teacher.flatten().tolist())]  # noqa: B905
    expected = 0.1 * cross_entropy(student, labels) + 0.9 * sum(squares) / len(squares) / 2
    loss = CHAPTER.run("squared_difference")["squared_difference"](*logits)
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def split_chances(row, label):
    """The pair (right class, others), and the chances among the others."""
    others = [p for k, p in enumerate(row) if k != label]
    return [row[label], sum(others)], [p / sum(others) for p in others]


@pytest.mark.parametrize("beta", [1.0, 8.0])
def test_decoupled_distillation_is_its_papers(logits, beta):
    student, teacher, labels = logits
    parts = []
    for p, q, label in zip(chances(student, 4), chances(teacher, 4), labels.tolist(), strict=True):
        (pair_p, rest_p), (pair_q, rest_q) = split_chances(p, label), split_chances(q, label)
        parts.append(divergence([pair_q], [pair_p]) + beta * divergence([rest_q], [rest_p]))
    expected = cross_entropy(student, labels) + 16 * sum(parts) / len(parts)
    loss = CHAPTER.run("target_part", "other_part", "decoupled")["decoupled"](*logits, beta)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_the_two_parts_add_up_to_the_divergence(logits):
    """KL = target part + (1 - teacher's chance of the right class) * other part: one image at a time."""
    names = CHAPTER.run("target_part", "other_part")
    for i in range(7):
        student, teacher, labels = (part[i : i + 1] for part in logits)
        whole = divergence(chances(teacher, 4), chances(student, 4))
        rest = 1 - chances(teacher, 4)[0][labels.item()]
        target = names["target_part"](student, teacher, labels, 4.0).item()
        others = names["other_part"](student, teacher, labels, 4.0).item()
        assert target + rest * others == pytest.approx(whole, abs=1e-6)


def test_a_stronger_teachers_loss_is_made_of_pearsons_correlations(logits):
    student, teacher, labels = logits
    names = CHAPTER.run("correlation", "stronger_teacher")
    p, q = np.array(chances(student, 1)), np.array(chances(teacher, 1))
    by_image = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    by_class = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    expected = cross_entropy(student, labels) + 2 * (by_image + by_class)
    assert names["stronger_teacher"](*logits, 2.0).item() == pytest.approx(expected, abs=1e-6)


def test_standardized_logits_leave_the_labels_part_alone(logits):
    student, teacher, labels = logits
    names = CHAPTER.run("soft_loss", "z_score", "standardized")
    rows = [(z.numpy() - z.numpy().mean(1, keepdims=True)) for z in (student, teacher)]
    p, q = (torch.tensor(z / z.std(1, ddof=1, keepdims=True)) for z in rows)
    soft = divergence(chances(q, 2), chances(p, 2))
    expected = 0.1 * cross_entropy(student, labels) + 3 * 4 * soft
    assert names["standardized"](*logits, 3.0).item() == pytest.approx(expected, abs=1e-6)
    one = names["z_score"](5 * student + 3)
    torch.testing.assert_close(one, names["z_score"](student))  # blind to scale and shift


def test_weighted_distillation_may_weigh_more_than_the_labels(logits):
    student, teacher, labels = logits
    soft = divergence(chances(teacher, 2), chances(student, 2))
    expected = 0.1 * cross_entropy(student, labels) + 9 * 4 * soft
    loss = CHAPTER.run("soft_loss", "weighted")["weighted"](*logits, 9.0, 2.0)
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_the_pull_is_the_mean_length_of_an_images_gradient(logits):
    student, teacher, _ = logits
    names = CHAPTER.run("soft_loss", "pull")
    found = names["pull"](partial(names["soft_loss"], temperature=2.0), student, teacher)
    rows = zip(chances(student, 2), chances(teacher, 2), strict=True)
    lengths = [2 * math.dist(p, q) for p, q in rows]  # T^2 times 1 / T
    assert found == pytest.approx(sum(lengths) / len(lengths), abs=1e-9)


def random_features(draws, channels):
    return torch.randn(4, channels, 3, 3, generator=draws, dtype=torch.float64)


def test_attention_compares_where_blocks_are_active(draws):
    ours, theirs = random_features(draws, 2), random_features(draws, 6)
    maps = []
    for features in (ours.numpy(), theirs.numpy()):
        strength = (features**2).sum(1).reshape(4, 9)
        maps.append(strength / np.linalg.norm(strength, axis=1, keepdims=True))
    loss = CHAPTER.run("attention_map", "attention_loss")["attention_loss"](ours, theirs)
    assert loss.item() == pytest.approx(((maps[0] - maps[1]) ** 2).mean(), abs=1e-9)


def test_similarity_compares_which_images_are_alike(draws):
    ours, theirs = random_features(draws, 2), random_features(draws, 6)
    tables = []
    for features in (ours.numpy(), theirs.numpy()):
        flat = features.reshape(4, -1)
        table = np.array([[a @ b for b in flat] for a in flat])
        tables.append(table / np.linalg.norm(table, axis=1, keepdims=True))
    loss = CHAPTER.run("similarities", "similarity_loss")["similarity_loss"](ours, theirs)
    assert loss.item() == pytest.approx(((tables[0] - tables[1]) ** 2).sum() / 16, abs=1e-9)


def huber(a, b):
    apart = np.abs(np.array(a) - np.array(b))
    return np.where(apart < 1, apart**2 / 2, apart - 0.5).mean()


def distances(rows):
    found = [math.dist(rows[i], rows[j]) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    return np.array(found) / np.mean(found)


def cosines(rows):
    """Of the angle at j of each triple i, j, k; 0 where two of them are one."""
    found = []
    for j in rows:
        for i in rows:
            for k in rows:
                a, b = i - j, k - j
                lengths = np.linalg.norm(a) * np.linalg.norm(b)
                found.append(a @ b / lengths if lengths else 0.0)
    return found


def test_relations_are_distances_and_angles(draws):
    ours, theirs = (torch.randn(5, n, generator=draws, dtype=torch.float64) for n in (3, 8))
    a, b = ours.numpy(), theirs.numpy()
    expected = huber(distances(a), distances(b)) + 2 * huber(cosines(a), cosines(b))
    names = CHAPTER.run("distance_loss", "angles", "relation_loss")
    assert names["relation_loss"](ours, theirs).item() == pytest.approx(expected, abs=1e-9)
    assert names["relation_loss"](ours, 3 * ours - 7).item() == pytest.approx(0, abs=1e-9)


def test_fitnets_maps_the_students_features(draws):
    student = SimpleNamespace(seen={"stage2": torch.randn(2, 16, 3, 3, generator=draws)})
    student.regressor = nn.Conv2d(16, 64, 1)
    theirs = {"stage2": torch.randn(2, 64, 3, 3, generator=draws)}
    weight, bias = student.regressor.weight[:, :, 0, 0], student.regressor.bias.view(-1, 1, 1)
    mapped = torch.einsum("oi,nihw->nohw", weight, student.seen["stage2"]) + bias
    expected = (mapped - theirs["stage2"]).square().mean()
    torch.testing.assert_close(CHAPTER.run("fitnets")["fitnets"](student, theirs), expected)


def view(names, images, number):
    """All images in one of their nine views."""
    return names["shown"](images, torch.full((len(images),), number))


def test_a_view_is_the_image_moved_and_the_middle_one_the_image_itself():
    names = CHAPTER.run("shown")
    images = torch.rand(2, 1, 6, 6)
    assert torch.equal(view(names, images, 4), images)
    moved = view(names, images, 0)  # up and left of the padded image: the content moves down and right
    assert torch.equal(moved[:, :, 1:, 1:], images[:, :, :-1, :-1])
    assert torch.equal(moved[:, :, 0, 1:], images[:, :, 0, :-1])
    both = names["shown"](images, torch.tensor([4, 0]))
    assert torch.equal(both[0], images[0]) and torch.equal(both[1], moved[1])


def test_the_views_are_those_of_the_recipe():
    names = CHAPTER.run("shown", "TRIAL")
    images = torch.rand(300, 1, 5, 5)
    ours = {view(names, images, i)[0].numpy().tobytes() for i in range(9)}
    torch.manual_seed(0)
    moved = random_shift(images[:1].repeat(300, 1, 1, 1), RECIPE.shift)
    assert {image.numpy().tobytes() for image in moved} == ours and len(ours) == 9
    assert names["TRIAL"].shift == RECIPE.shift and names["TRIAL"].epochs == 10


def counting_teacher(calls):
    """A linear teacher that notes how many images it is asked about."""
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).eval().requires_grad_(False)
    teacher.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    return teacher


def test_a_lesson_pairs_each_view_with_the_teachers_answer_to_it():
    names = CHAPTER.run("shown", "Answers", "Lesson")
    teacher = counting_teacher([])
    split = Split(torch.rand(40, 1, 6, 6), torch.arange(40) % 5)
    seen = []
    answers = names["Answers"](teacher, split.images)
    lesson = names["Lesson"](answers, split.labels, lambda *parts: seen.append(parts))
    places = torch.tensor([3, 11, 12, 39], dtype=torch.int32)
    views = lesson(split.images[places.long()])
    lesson.loss("logits", places)
    ((given, taught, labels),) = seen
    torch.testing.assert_close(taught, teacher(views))
    assert given == "logits" and torch.equal(labels, split.labels[places.long()])


def test_each_view_is_asked_for_once():
    names = CHAPTER.run("shown", "Answers", "all_answers", "looked_up")
    calls = []
    images = torch.rand(12, 1, 6, 6)
    answers = names["Answers"](counting_teacher(calls), images)
    calls.clear()  # one image was passed to count the classes
    views, places = torch.tensor([0, 4, 8]), torch.tensor([1, 1, 7])
    first = answers(views, places)
    assert torch.equal(answers(views, places), first) and calls == [3]
    table = names["all_answers"](answers)
    assert sum(calls) == 9 * 12 and not table.isnan().any()
    assert torch.equal(names["looked_up"](table)(views, places), first)


def test_a_teacher_in_training_mode_is_refused_or_is_a_bug():
    names = CHAPTER.run("shown", "Answers", "AwakeAnswers")
    teacher = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Linear(36, 5))
    images, views, places = torch.rand(8, 1, 6, 6), torch.full((8,), 4), torch.arange(8)
    with pytest.raises(ValueError, match="training mode"):
        names["Answers"](teacher.train(), images)
    asleep = names["Answers"](teacher.eval(), images)(views, places)
    awake = names["AwakeAnswers"](teacher, images)(views, places)
    assert (asleep - awake).abs().max() > 0.1


def test_kept_features_are_those_of_the_teacher(draws):
    names = CHAPTER.run(*WATCHING)
    images = torch.rand(6, 1, 16, 16, generator=draws)
    network = settled_network(draws, 4)
    now = names["Features"](network, images)
    kept = names["KeptFeatures"](network, images)
    views, places = torch.tensor([0, 3, 8, 8]), torch.tensor([5, 0, 2, 2])
    for _ in range(2):  # looked at, and remembered
        for name, seen in now(views, places).items():
            torch.testing.assert_close(kept(views, places)[name], seen, atol=2e-3, rtol=2e-3)
    assert kept.known.sum() == 3
    names["watch"](network)(images)
    assert list(network.seen) == ["stage1", "stage2", "stage3"] and network.seen["stage3"].shape[1] == 16


def test_controls_keep_what_they_say():
    names = CHAPTER.run(
        "permuted", "class_means", "smoothed", "entropy", "share_with", "looked_up", "as_answers"
    )
    table, labels = torch.randn(9, 40, 5), torch.arange(40) % 5
    dealt = names["permuted"](table, labels)
    right = labels.view(1, -1, 1).expand(9, -1, 1)
    assert torch.equal(dealt.gather(2, right), table.gather(2, right))
    assert torch.equal(dealt.sort(2).values, table.sort(2).values) and not torch.equal(dealt, table)
    means = names["class_means"](table, labels)
    torch.testing.assert_close(means[0, 0], table[:, labels == 0].mean((0, 1)))
    for target in (0.1, 0.8, 1.5):
        share = names["share_with"](target, labels)
        q = names["smoothed"](labels, share)
        assert names["entropy"](q) == pytest.approx(target, abs=1e-5)
        assert -(q * q.log()).sum(1).mean().item() == pytest.approx(target, abs=1e-5)
    views, places = torch.tensor([0, 8]), torch.tensor([3, 4])
    soft = F.softmax(names["as_answers"](q)(views, places) / 4, 1)
    torch.testing.assert_close(soft, q[places])
    softened = names["as_answers"](q, temperature=1.0)(views, places)  # the made-up teacher
    torch.testing.assert_close(F.softmax(softened, 1), q[places])
    powers = q[places] ** 0.25
    torch.testing.assert_close(F.softmax(softened / 4, 1), powers / powers.sum(1, keepdim=True))


def tuned(scores, values, **options):
    """Run the chapter's `tune` on students that are their own value."""
    names = CHAPTER.run("beyond")
    tried, edges = [], []

    def attempt(value):
        tried.append(value)
        return value

    chapter = Chapter("05_distillation", **names, validated=scores, edges=edges)
    best, student = chapter.run("tune")["tune"](attempt, values, **options)
    assert best == student
    return best, tried, edges


def test_tuning_goes_on_while_the_best_is_at_an_edge():
    inside = tuned(lambda value: -abs(value - 2), (1.0, 2.0, 4.0))
    assert inside == (2.0, [1.0, 2.0, 4.0], [0])
    above = tuned(lambda value: -abs(value - 8), (1.0, 2.0, 4.0))
    assert above == (8.0, [1.0, 2.0, 4.0, 8.0, 16.0], [0])
    below = tuned(lambda value: -value, (1.0, 2.0, 4.0))
    assert below == (0.25, [1.0, 2.0, 4.0, 0.5, 0.25], [1])
    limited = tuned(lambda value: value, (0.5, 0.9, 1.0), most=1.0)
    assert limited == (1.0, [0.5, 0.9, 1.0], [0])
    assert tuned(lambda value: value, (4.0,)) == (4.0, [4.0], [0])


def test_the_shift_that_is_best_on_all_classes_is_found():
    names = CHAPTER.run("count", "OMITTED", "shifted_points", "best_shift")
    assert names["OMITTED"].tolist() == [0]
    others = [3.0, 7.9, 12.0]  # how far class 0 is behind; the last is beyond the first range of shifts
    scores = torch.tensor([[0.0, other, -9, -9, -9] for other in others] + [[-30.0, 9.9, 0, 0, 0]])
    labels = torch.tensor([0, 0, 0, 1])
    shift = names["best_shift"](scores, labels)
    assert 12 <= shift < 39.9
    assert names["shifted_points"](scores, labels, shift + 0.1) == (100, 100)
    assert names["shifted_points"](scores, labels, 4.0) == (pytest.approx(100 / 3), 50)
    assert scores[0, 0] == 0  # they stay as they were


def test_auxiliary_outputs_get_no_lesson():
    names = CHAPTER.run("AUXILIARY", "WithAuxiliary", "classes_only", "mixture", "same_head")
    network = names["mixture"](0.5)
    names["classes_only"](network(torch.rand(8, 1, 6, 6)), torch.arange(8) % 5).backward()
    slopes = network.head.weight.grad.abs().sum(1)
    assert (slopes[:5] > 0).all() and (slopes[5:] == 0).all() and len(slopes) == 205


def test_a_mixture_keeps_the_size_of_the_weights():
    names = CHAPTER.run("AUXILIARY", "WithAuxiliary", "mixture", "same_head")
    ends = [names["mixture"](share).second.weight for share in (0.0, 1.0)]
    middle = names["mixture"](0.6).second.weight
    torch.testing.assert_close(middle, 0.8 * ends[0] + 0.6 * ends[1])
    assert middle.std().item() == pytest.approx(ends[0].std().item(), rel=0.02)
    shared = names["same_head"]()
    assert torch.equal(shared.head.weight, names["mixture"](1.0).head.weight)
    assert torch.equal(shared.second.weight, ends[0])


def test_the_rate_steps_down():
    factor = CHAPTER.run("steps_down")["steps_down"]
    found = [factor(step, 80) for step in (0, 49, 50, 59, 60, 69, 70, 79)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_rounded_weights_are_on_a_grid_and_pass_their_gradient(draws):
    weight = torch.randn(6, 3, 3, 3, generator=draws, requires_grad=True)
    found = CHAPTER.run("Rounded")["Rounded"]()(weight)
    for row, before in zip(found.detach().flatten(1), weight.detach().flatten(1), strict=True):
        step = before.abs().max() / 3
        assert len(row.unique()) <= 7 and row.abs().max() == pytest.approx(
            before.abs().max().item(), rel=1e-5
        )
        assert (row - before).abs().max() <= step / 2 + 1e-6
    found.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_repairs_keep_zeros_and_the_grid(draws):
    names = CHAPTER.run("smallest_gone", "Rounded", "rounded")
    network = seeded(lambda: ResNet(8, num_classes=5), 0).eval()
    split = Split(torch.rand(64, 1, 12, 12, generator=draws), torch.arange(64) % 5)
    pages = Dataset("random", split, split.take(slice(0, 10)), split, tuple("abcde"))
    masks = names["smallest_gone"](network)
    gone = [1 - mask.double().mean().item() for mask in masks.values()]
    assert gone == pytest.approx([0.7] * len(masks), abs=0.02)
    chapter = Chapter("05_distillation", **names, quick=pages, some=split)
    repaired = chapter.run("repaired")["repaired"]
    mended = repaired(masked(network, masks), masks, None, 0.02)
    for name, mask in masks.items():
        weight = mended.get_submodule(name).weight
        assert (weight[~mask] == 0).all() and (weight != network.get_submodule(name).weight).any()
    mended = repaired(names["rounded"](network), {}, None, 0.02)
    assert len(mended.stage1.conv1.weight[0].unique()) <= 7
    assert not torch.equal(mended.stage1.conv1.weight, names["rounded"](network).stage1.conv1.weight)


def test_timed_cells_use_names_of_cells_that_the_timing_pass_runs():
    """The timing pass leaves out cells tagged `untimed`, and with them the names that they define."""
    notebook = Path(__file__).parents[2] / "notebooks" / "05_distillation.ipynb"
    known, missing = {*dir(builtins)}, set()
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code" or {"untimed", "figure"} & {*cell["metadata"].get("tags", [])}:
            continue
        found = symtable.symtable("".join(cell["source"]), "cell", "exec").get_symbols()
        known |= {symbol.get_name() for symbol in found if symbol.is_assigned() or symbol.is_imported()}
        missing |= {symbol.get_name() for symbol in found if symbol.is_referenced()} - known
    assert missing == set()
