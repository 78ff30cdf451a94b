"""What is said about a training before its first step; torch would say it later, and in other words."""

import torch
from torch import Tensor, nn

from utils.data.splits import Dataset

NORMS = nn.modules.batchnorm._BatchNorm


def check(
    model: nn.Module,
    data: Dataset,
    batch_size: int,
    *,
    processes: int = 1,
    accumulation: int = 1,
    own_loss: bool = False,
) -> None:
    """Refuse images, labels or batches on which `model` would fail later.

    Args:
        model: where there is doubt, one image passes through it in eval mode, which changes nothing in it.
        data: its training and validation part are looked at; it may be on another device than the model.
        batch_size: images per step.
        processes: that share each batch.
        accumulation: parts in which a share passes through the model.
        own_loss: the loss is not the cross-entropy of the book, and takes other labels than class numbers.

    Raises:
        ValueError: names the value and says what to do.
    """
    for name in ("train", "validation"):
        split = data.splits[name]
        if not len(split):
            raise ValueError(f"data.{name} holds no images; give it at least one")
        if not own_loss or split.labels.dtype == torch.int64:
            _check_labels(f"data.{name}.labels", split.labels, data.num_classes)
        _check_images(f"data.{name}.images", split.images, model)
    if 1 in _sizes(len(data.train), batch_size, processes, accumulation):
        _check_single_image(data.train.images[:1], model)


def _check_labels(name: str, labels: Tensor, classes: int) -> None:
    if labels.ndim != 1:
        raise ValueError(f"{name} have the shape {tuple(labels.shape)}; give one number an image, [N]")
    if labels.dtype != torch.int64:
        raise ValueError(f"{name} are {labels.dtype}; convert them by labels.long()")
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= classes:
        raise ValueError(
            f"{name} run from {low} to {high}, but {classes} classes are numbered from 0 to {classes - 1}; "
            "number the labels from 0, and name every class in data.classes"
        )


def _check_images(name: str, images: Tensor, model: nn.Module) -> None:
    dtype = next(model.parameters()).dtype
    if images.dtype == dtype:
        return
    try:  # a network may convert its images itself
        _look(model, images[:1])
    except (RuntimeError, TypeError) as error:
        remedy = f"images.to({dtype})" if images.is_floating_point() else f"images.to({dtype}) / 255"
        raise ValueError(
            f"{name} are {images.dtype} and the weights of the model {dtype}; convert them by {remedy}"
        ) from error


def _sizes(count: int, batch_size: int, processes: int, accumulation: int) -> set[int]:
    """How many images pass through a model at once: of whole batches and of the last one."""
    found = set()
    for size in {min(batch_size, count), count % batch_size} - {0}:
        found |= {len(part) for part in torch.empty(size // processes).chunk(accumulation)}
    return found


def _check_single_image(image: Tensor, model: nn.Module) -> None:
    norms = {name: module for name, module in model.named_modules() if isinstance(module, NORMS)}

    def refuse(norm, inputs):
        if inputs[0].numel() == inputs[0].shape[1]:  # one value a channel has no variance
            name = next(name for name, module in norms.items() if module is norm)
            raise ValueError(
                f"a batch, or a part of one, holds a single image, of which the batch norm {name!r} has one "
                "value a channel and no variance; choose another batch size, or leave one image out"
            )

    hooks = [norm.register_forward_pre_hook(refuse) for norm in norms.values()]
    try:
        if norms:
            _look(model, image)
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _look(model: nn.Module, images: Tensor) -> None:
    training = model.training
    try:
        model.eval()(images.to(next(model.parameters()).device))
    finally:
        model.train(training)
