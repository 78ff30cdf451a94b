"""The losses of chapter 5 against closed forms and independent computations in 64 bits."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.chapter_source import Chapter
from utils.data.splits import Split
from utils.measuring import evaluation

DATA = SimpleNamespace(num_classes=5, channels=1, size=6)
CHAPTER = Chapter("05_distillation", torch=torch, F=F, nn=nn, data=DATA, evaluation=evaluation, SEED=0)


@pytest.fixture
def logits():
    draws = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(7, 5, generator=draws, dtype=torch.float64) for _ in range(2))
    return student, teacher, torch.randint(5, (7,), generator=draws)


def chances(rows, temperature):
    """Softmax by the definition, row by row."""
    powers = [[math.exp(z / temperature) for z in row] for row in rows.tolist()]
    return [[p / sum(row) for p in row] for row in powers]


def divergence(q, p):
    """Mean KL divergence of rows, by the definition."""
    rows = [sum(b * math.log(b / a) for a, b in zip(x, y, strict=True)) for x, y in zip(p, q, strict=True)]
    return sum(rows) / len(rows)


def cross_entropy(student, labels):
    p = chances(student, 1)
    return -sum(math.log(row[k]) for row, k in zip(p, labels.tolist(), strict=True)) / len(p)


@pytest.mark.parametrize(("temperature", "weight"), [(1, 0.5), (4, 0.9), (8, 1.0), (2, 0.0)])
def test_the_distillation_loss_is_hintons(logits, temperature, weight):
    student, teacher, labels = logits
    loss = CHAPTER.run("distillation_loss")["distillation_loss"](*logits, temperature, weight)
    soft = divergence(chances(teacher, temperature), chances(student, temperature))
    expected = (1 - weight) * cross_entropy(student, labels) + weight * temperature**2 * soft
    assert loss.item() == pytest.approx(expected, abs=1e-9)


def test_at_high_temperatures_the_gradient_is_the_difference_of_logits(logits):
    student, teacher, labels = (*(z - z.mean(1, keepdim=True) for z in logits[:2]), logits[2])
    student.requires_grad_()
    CHAPTER.run("distillation_loss")["distillation_loss"](student, teacher, labels, 1e4, 1.0).backward()
    torch.testing.assert_close(
        student.grad * len(labels), (student - teacher).detach() / 5, atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("bug", "expected"),
    [
        ("without_square", lambda hard, soft, swapped: 0.1 * hard + 0.9 * soft),
        ("mean_over_classes", lambda hard, soft, swapped: 0.1 * hard + 0.9 * 16 * soft / 5),
        ("swapped", lambda hard, soft, swapped: 0.1 * hard + 0.9 * 16 * swapped),
    ],
)
def test_each_bug_is_the_one_that_it_is_named_for(logits, bug, expected):
    student, teacher, labels = logits
    p, q = chances(student, 4), chances(teacher, 4)
    parts = cross_entropy(student, labels), divergence(q, p), divergence(p, q)
    loss = CHAPTER.run(bug)[bug](*logits, 4, 0.9).item()
    assert loss == pytest.approx(expected(*parts), abs=1e-9)
    correct = CHAPTER.run("distillation_loss")["distillation_loss"](*logits, 4, 0.9).item()
    assert abs(loss - correct) > 1e-2


def test_decoupled_with_the_right_weights_is_plain_distillation(logits):
    """KL = TCKD + (1 - q of the right class) NCKD (Zhao et al., 2022, equation 5): one image at a time."""
    names = CHAPTER.run("decoupled")
    for i in range(7):
        student, teacher, labels = (part[i : i + 1] for part in logits)
        q_right = chances(teacher, 4)[0][labels.item()]
        soft = divergence(chances(teacher, 4), chances(student, 4))
        loss = names["decoupled"](student, teacher, labels, 4, 1 - q_right).item()
        assert loss == pytest.approx(cross_entropy(student, labels) + 16 * soft, abs=1e-6)


def test_stronger_teachers_loss_is_blind_to_scale_and_shift_of_probabilities(logits):
    names = CHAPTER.run("correlation", "stronger_teacher")
    student, _, labels = logits
    alone = names["stronger_teacher"](student, student, labels, 2.0)
    assert alone.item() == pytest.approx(cross_entropy(student, labels), abs=1e-9)
    rows = torch.rand(3, 6, dtype=torch.float64), torch.rand(3, 6, dtype=torch.float64)
    torch.testing.assert_close(
        names["correlation"](*rows),
        torch.stack([torch.corrcoef(torch.stack(p))[0, 1] for p in zip(*rows, strict=True)]),
    )


def test_standardized_logits_are_blind_to_scale_and_shift(logits):
    names = CHAPTER.run("distillation_loss", "standardized")
    student, teacher, labels = logits
    one = names["standardized"](student, teacher, labels, 2.0, 1.0)
    other = names["standardized"](5 * student + 3, 0.1 * teacher - 7, labels, 2.0, 1.0)
    assert one.item() == pytest.approx(other.item(), abs=1e-9)


def test_a_view_is_the_image_moved_and_the_middle_one_the_image_itself():
    names = CHAPTER.run("SHIFTS", "view")
    images = torch.rand(2, 1, 6, 6)
    assert torch.equal(names["view"](images, 4), images)
    moved = names["view"](images, 0)  # up and left of the padded image: the content moves down and right
    assert torch.equal(moved[:, :, 1:, 1:], images[:, :, :-1, :-1])
    assert torch.equal(moved[:, :, 0, 1:], images[:, :, 0, :-1])


def test_a_lesson_pairs_each_view_with_the_teachers_answer_to_it():
    names = CHAPTER.run("SHIFTS", "view", "all_answers", "Lesson")
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(36, 5)).eval().requires_grad_(False)
    split = Split(torch.rand(40, 1, 6, 6), torch.arange(40) % 5)
    answers = names["all_answers"](teacher, split.images)
    seen = []
    lesson = names["Lesson"](answers, split.labels, lambda *parts: seen.append(parts))
    places = torch.tensor([3, 11, 12, 39], dtype=torch.int32)
    views = lesson(split.images[places])
    lesson.loss("logits", places)
    ((given, taught, labels),) = seen
    torch.testing.assert_close(taught, teacher(views))
    assert given == "logits" and torch.equal(labels, split.labels[places])


def test_a_teacher_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="training mode"):
        CHAPTER.run("SHIFTS", "view", "all_answers")["all_answers"](
            nn.Flatten().train(), torch.rand(1, 1, 6, 6)
        )


def test_controls_keep_what_they_say():
    names = CHAPTER.run("permuted", "class_means", "smoothed", "entropy", "share_with")
    answers, labels = torch.randn(9, 40, 5), torch.arange(40) % 5
    dealt = names["permuted"](answers, labels)
    right = labels.view(1, -1, 1).expand(9, -1, 1)
    assert torch.equal(dealt.gather(2, right), answers.gather(2, right))
    assert torch.equal(dealt.sort(2).values, answers.sort(2).values) and not torch.equal(dealt, answers)
    means = names["class_means"](answers, labels)
    torch.testing.assert_close(means[0, 0], answers[:, labels == 0].mean((0, 1)))
    for target in (0.1, 0.8, 1.5):
        share = names["share_with"](target, labels)
        assert names["entropy"](names["smoothed"](labels, share)) == pytest.approx(target, abs=1e-5)
