"""Oracles: parameter counts by hand, torchvision's residual block, closed-form shapes."""

import pytest
import torch
from torchvision.models.resnet import BasicBlock

from utils.models import Block, LeNet300100, ResNet, seeded


def by_hand(width, channels, classes):
    """Weights of the network of `width`, counted layer by layer on paper."""
    w = width
    convolutions = 9 * channels * w + 2 * 9 * w * w  # stem, stage 1
    convolutions += 9 * w * 2 * w + 9 * 4 * w * w + w * 2 * w  # stage 2 with its shortcut
    convolutions += 9 * 2 * w * 4 * w + 9 * 16 * w * w + 2 * w * 4 * w  # stage 3 with its shortcut
    norms = 2 * (w + 2 * w + 3 * 2 * w + 3 * 4 * w)
    return convolutions + norms + 4 * w * classes + classes


@pytest.mark.parametrize(("width", "channels", "classes"), [(32, 1, 47), (8, 1, 47), (5, 3, 2)])
def test_parameters_equal_the_count_on_paper(width, channels, classes):
    model = ResNet(width, channels, classes)
    assert sum(p.numel() for p in model.parameters()) == by_hand(width, channels, classes)


def test_base_and_small_have_the_size_the_book_says():
    assert 290_000 < by_hand(32, 1, 47) < 330_000
    assert 18_000 < by_hand(8, 1, 47) < 23_000


def test_lenet_has_the_266610_weights_of_the_paper():
    assert sum(p.numel() for p in LeNet300100(1, 28, 10).parameters()) == 266_610


@pytest.mark.parametrize("stride", [1, 2])
def test_block_equals_torchvisions(stride):
    ours, theirs = Block(6, 6 * stride, stride), BasicBlock(6, 6 * stride, stride)
    if stride == 2:
        theirs.downsample = torch.nn.Sequential(
            torch.nn.Conv2d(6, 12, 1, 2, bias=False), torch.nn.BatchNorm2d(12)
        )
    state = {key.replace("shortcut", "downsample"): value for key, value in ours.state_dict().items()}
    theirs.load_state_dict(state)
    x = torch.randn(3, 6, 10, 10)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("size", [8, 28, 32, 33])
def test_any_image_size_gives_logits(size):
    assert ResNet(4, 3, 5).eval()(torch.rand(2, 3, size, size)).shape == (2, 5)


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = seeded(lambda: ResNet(4), 7)
    assert torch.rand(1) == expected
    second, other = seeded(lambda: ResNet(4), 7), seeded(lambda: ResNet(4), 8)
    assert torch.equal(first.head.weight, second.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("bad", [{"width": 0}, {"channels": 0}, {"num_classes": 1}, {"width": 2.5}])
def test_impossible_sizes_are_named(bad):
    (name, value), *_ = bad.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        ResNet(**bad)
