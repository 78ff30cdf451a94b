"""The networks of this book: one residual network at any width, and LeNet-300-100."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al., 2016, figure 2).

    The shortcut is the identity where shapes allow it and a 1x1 convolution where they do not.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: 2 halves height and width.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:  # [N, inputs, H, W] -> [N, outputs, H / stride, W / stride]
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """The book's network: a stem, three residual blocks, an average over positions, a linear layer.

    Width 32 has about 310,000 parameters (the base network), width 8 about 21,000 (the small one). The
    stem halves height and width: at full resolution a CPU would spend most of its time moving activations.

    Args:
        width: filters of the first stage, 1 or more; the second has twice as many, the third four times.
        channels: channels of the images, 1 for grey and 3 for colour.
        num_classes: 2 or more.

    Raises:
        ValueError: if one of the three is too small.
    """

    def __init__(self, width: int = 32, channels: int = 1, num_classes: int = 47):
        super().__init__()
        _check(width=(width, 1), channels=(channels, 1), num_classes=(num_classes, 2))
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stage1 = Block(width, width)
        self.stage2 = Block(width, 2 * width, stride=2)
        self.stage3 = Block(2 * width, 4 * width, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:  # [N, channels, H, W] -> logits [N, num_classes]
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        return self.head(self.pool(x).flatten(1))


class LeNet300100(nn.Sequential):
    """Two hidden layers of 300 and 100 units (LeCun et al., 1998), where pruning papers start.

    Args:
        channels: channels of the images.
        size: height and width of the images in pixels.
        num_classes: 2 or more.

    Raises:
        ValueError: if one of the three is too small.
    """

    def __init__(self, channels: int = 1, size: int = 28, num_classes: int = 47):
        _check(channels=(channels, 1), size=(size, 1), num_classes=(num_classes, 2))
        super().__init__(
            nn.Flatten(),
            nn.Linear(channels * size * size, 300),
            nn.ReLU(),
            nn.Linear(300, 100),
            nn.ReLU(),
            nn.Linear(100, num_classes),
        )


def seeded(build, seed: int) -> nn.Module:
    """Call `build()` with torch's generator at `seed`, and leave the generator as it was.

    Args:
        build: makes the network, for instance `lambda: ResNet(width=8)`.
        seed: the same seed gives the same initial weights, whatever ran before.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _check(**values: tuple[int, int]) -> None:
    for name, (value, least) in values.items():
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} is {value!r}; it has to be a whole number of {least} or more")
