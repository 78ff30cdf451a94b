"""What a trained network gets right: accuracy, confusion, agreement, calibration, batch-norm statistics."""

import torch
from torch import Tensor, nn

from utils.data.splits import Split


@torch.no_grad()
def logits(model: nn.Module, images: Tensor, *, batch_size: int = 500) -> Tensor:
    """Run `model` over `images` in batches.

    Args:
        model: called as `model(batch)`; put it in eval mode first.
        images: `[N, C, H, W]`, on the device of the model.
        batch_size: images per pass.

    Returns:
        `[N, num_classes]`.

    Raises:
        ValueError: if there are no images, or the model is in training mode, where batch norm would
            depend on the batch.
    """
    if len(images) == 0:
        raise ValueError("there are no images to evaluate: the split is empty")
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() first")
    return torch.cat([model(batch) for batch in images.split(batch_size)])


def predictions(model: nn.Module, images: Tensor) -> Tensor:
    """The most likely class of each image: `[N, C, H, W]` -> `[N]` int64."""
    return logits(model, images).argmax(1)


def accuracy(model: nn.Module, split: Split) -> float:
    """Share of `split` that is classified correctly, in points, 0...100."""
    right = predictions(model, split.images) == split.labels
    return 100 * right.cpu().double().mean().item()  # the graphics processors of Apple have no 64 bits


def per_class_accuracy(model: nn.Module, split: Split, num_classes: int) -> Tensor:
    """Accuracy within each true class.

    Returns:
        `[num_classes]` float64 in points, on the CPU, NaN for a class that `split` does not hold.
    """
    counts = confusion_matrix(predictions(model, split.images), split.labels, num_classes)
    counts = counts.cpu().double()
    return 100 * counts.diagonal() / counts.sum(1)


def confusion_matrix(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Count how often each class is taken for each.

    Args:
        predicted: `[N]` int64.
        labels: `[N]` int64, the true classes.
        num_classes: size of the matrix.

    Returns:
        `[num_classes, num_classes]` int64: true class down, predicted class across.
    """
    pairs = labels * num_classes + predicted
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def agreement(first: Tensor, second: Tensor) -> float:
    """Share of images on which two sets of predictions `[N]` are equal, in 0...1.

    Raises:
        ValueError: if they are not of one length.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"predictions of shapes {tuple(first.shape)} and {tuple(second.shape)} cannot be compared"
        )
    return (first == second).cpu().double().mean().item()


def expected_calibration_error(scores: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al., 2017, equation 5).

    Args:
        scores: logits `[N, num_classes]`.
        labels: `[N]` int64.
        bins: number of bins of the confidence in 0...1.

    Returns:
        The gap in points, 0...100: 0 if the network is right as often as it says.
    """
    scores, labels = scores.detach().cpu(), labels.cpu()
    confidence, predicted = scores.double().softmax(1).max(1)
    right = (predicted == labels).double()
    bin_of = (confidence * bins).ceil().long().clamp(
        1, bins
    ) - 1  # bins are open on the left, as in the paper
    gap = torch.zeros(bins, dtype=torch.float64).index_add_(0, bin_of, confidence - right)
    return 100 * gap.abs().sum().item() / len(labels)


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, images: Tensor, *, batch_size: int = 250) -> nn.Module:
    """Measure the running mean and variance of every batch norm anew, as an average over batches.

    A change of weights (pruning, quantization) leaves the stored statistics stale.

    Args:
        model: changed in place; the training mode of every layer is left as it was.
        images: `[N, C, H, W]` training images, 1,000 are plenty.
        batch_size: images per batch.

    Returns:
        The same `model`.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    training = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over batches instead of a decaying one
    model.train()
    try:
        for batch in images.split(batch_size):
            model(batch)
    finally:
        for module, before in training:
            module.training = before
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return model
