"""Oracles: scikit-learn's metrics, hand-computed cases, batch statistics in closed form."""

import pytest
import torch
from sklearn import metrics
from torch import nn

from utils.data.splits import Split
from utils.measuring import evaluation


class Scores(nn.Module):
    """A model whose logits are its input."""

    def forward(self, x):
        return x.flatten(1)


@pytest.fixture
def scored():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(5, (1003,), generator=generator)
    scores = torch.randn(1003, 5, generator=generator) + 1.5 * nn.functional.one_hot(labels, 5)
    return Split(scores.view(-1, 1, 1, 5), labels)


def test_accuracy_equals_scikit_learn(scored):
    predicted = evaluation.predictions(Scores().eval(), scored.images)
    expected = 100 * metrics.accuracy_score(scored.labels, predicted)
    assert evaluation.accuracy(Scores().eval(), scored) == pytest.approx(expected)


def test_confusion_matrix_equals_scikit_learn(scored):
    predicted = evaluation.predictions(Scores().eval(), scored.images)
    ours = evaluation.confusion_matrix(predicted, scored.labels, 5)
    assert (ours.numpy() == metrics.confusion_matrix(scored.labels, predicted)).all()


def test_per_class_accuracy_equals_scikit_learns_recall(scored):
    predicted = evaluation.predictions(Scores().eval(), scored.images)
    ours = evaluation.per_class_accuracy(Scores().eval(), scored, 5)
    expected = 100 * metrics.recall_score(scored.labels, predicted, average=None)
    assert ours.tolist() == pytest.approx(expected.tolist())


def test_agreement_by_hand():
    assert evaluation.agreement(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 0.75
    with pytest.raises(ValueError, match="cannot be compared"):
        evaluation.agreement(torch.tensor([1]), torch.tensor([1, 2]))


def test_calibration_error_by_hand():
    # Two images at confidence 0.6, one right: gap 0.1. One at 0.9, right: gap 0.1. Mean: 0.1, in points 10.
    scores = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]]).log()
    ours = evaluation.expected_calibration_error(scores, torch.tensor([0, 1, 1]), bins=5)
    assert ours == pytest.approx(10, abs=1e-4)


class OnApple(torch.Tensor):
    """A tensor as on a graphics processor of Apple: it has no 64 bits, and meets no tensor of the CPU."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function in (torch.Tensor.cpu, torch.Tensor.item, torch.Tensor.tolist):
            (self,) = args
            plain = self.as_subclass(torch.Tensor)
            return plain.clone() if function is torch.Tensor.cpu else function(plain)
        for other in args:
            if isinstance(other, torch.Tensor) and not isinstance(other, cls) and other.ndim:
                raise RuntimeError("Expected all tensors to be on the same device")
        found = super().__torch_function__(function, types, args, kwargs or {})
        for value in found if isinstance(found, tuple) else (found,):
            if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return found


def test_the_stand_in_for_apples_processors_refuses_64_bits():
    there = torch.rand(3).as_subclass(OnApple)
    for convert in (lambda: there.double(), lambda: there.to(torch.float64), lambda: there + torch.rand(3)):
        with pytest.raises((TypeError, RuntimeError)):
            convert()
    assert type(there.cpu().double()) is torch.Tensor


def test_nothing_takes_64_bits_where_the_network_is(scored):
    there = Split(scored.images.as_subclass(OnApple), scored.labels.as_subclass(OnApple))
    model = Scores().eval()
    assert evaluation.accuracy(model, there) == evaluation.accuracy(model, scored)
    both = [evaluation.per_class_accuracy(model, split, 5) for split in (there, scored)]
    assert torch.equal(*both)
    guesses = [evaluation.predictions(model, split.images) for split in (there, scored)]
    assert isinstance(guesses[0], OnApple)
    assert evaluation.agreement(guesses[0], there.labels) == evaluation.agreement(guesses[1], scored.labels)
    errors = [
        evaluation.expected_calibration_error(split.images.flatten(1), split.labels)
        for split in (there, scored)
    ]
    assert errors[0] == errors[1]


def test_reestimated_statistics_are_those_of_the_images():
    images = torch.randn(400, 3, 4, 4) * 2 + 5
    model = nn.Sequential(nn.BatchNorm2d(3)).eval()
    evaluation.reestimate_batch_norm(model, images, batch_size=200)
    torch.testing.assert_close(model[0].running_mean, images.mean((0, 2, 3)))
    halves = torch.stack([half.var((0, 2, 3)) for half in images.split(200)]).mean(0)
    torch.testing.assert_close(model[0].running_var, halves)
    assert not model.training
    assert model[0].momentum == 0.1


def test_batches_do_not_change_the_result(scored):
    whole = evaluation.logits(Scores().eval(), scored.images, batch_size=2000)
    torch.testing.assert_close(evaluation.logits(Scores().eval(), scored.images, batch_size=7), whole)


def test_training_mode_and_empty_splits_are_refused():
    with pytest.raises(ValueError, match="eval"):
        evaluation.logits(Scores().train(), torch.rand(1, 1, 1, 5))
    with pytest.raises(ValueError, match="empty"):
        evaluation.logits(Scores().eval(), torch.rand(0, 1, 1, 5))


def test_a_failed_pass_and_frozen_layers_leave_the_modes_as_they_were():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(), nn.BatchNorm2d(3)).train()
    model[2].eval()  # frozen
    modes = [layer.training for layer in model.modules()]
    evaluation.reestimate_batch_norm(model, torch.rand(4, 3, 2, 2))
    assert [layer.training for layer in model.modules()] == modes
    with pytest.raises(ValueError):
        evaluation.reestimate_batch_norm(model, torch.rand(4, 3))
    assert [layer.training for layer in model.modules()] == modes
    assert model[0].momentum == model[2].momentum == 0.1
