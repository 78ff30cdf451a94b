"""Divisions in proportion: against the proportions of labels made here, counted class by class."""

import numpy as np
import pytest
import torch

from utils.data import stratified


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
