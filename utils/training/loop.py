"""The book's training loop."""

import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from utils.data.splits import Dataset, batches
from utils.measuring.evaluation import accuracy
from utils.training.checks import check
from utils.training.recipe import RECIPE, Recipe


class DivergedError(FloatingPointError):
    """The loss is no longer a finite number."""


@dataclass
class History:
    """What `fit` saw: one entry an epoch, but for `step_loss`."""

    step_loss: list[float] = field(default_factory=list)  # of each batch, before its step
    loss: list[float] = field(default_factory=list)  # mean of the epoch's steps
    validation_accuracy: list[float] = field(default_factory=list)  # points, 0...100
    seconds: list[float] = field(default_factory=list)  # training alone, without validation


def fit(
    model: nn.Module,
    data: Dataset,
    *,
    seed: int,
    recipe: Recipe = RECIPE,
    transform: Callable[[Tensor], Tensor] | None = None,
    loss_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Callable[[int, int], float] | None = None,
    part: tuple[int, int] = (0, 1),
    after_epoch: Callable[[nn.Module, History], bool | None] | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place on `data.train`, on the device its parameters are on; leave it in eval mode.

    Args:
        model: called as `model(images)`; gives logits `[N, num_classes]`.
        data: `data.validation` is evaluated after each epoch, for the history alone: nothing is chosen by it.
        seed: drives the order of the images, dropout and augmentation.
        recipe: how to train; what is given below takes the place of the recipe's.
        transform: augmentation, applied to whole batches `[N, C, H, W]`.
        loss_function: called as `loss_function(logits, labels)`, gives a scalar, a mean over the images.
        optimizer: holds the parameters of `model`; its learning rate is the peak.
        schedule: called as `schedule(step, steps)`, gives the factor of the learning rate; steps start at 0.
        part: `(rank, processes)` where several processes train together: this one takes its share of batches.
        after_epoch: called as `after_epoch(model, history)`; training stops where it returns True.
        progress: show a bar.

    Returns:
        History of the epochs and steps that ran.

    Raises:
        DivergedError: when the loss is not finite, with the step and the learning rate.
        ValueError: before the first step, if a batch does not divide into equal shares for the processes of
            `part`, or the model would fail on the images, the labels or the last batch.
    """
    if recipe.batch_size % part[1] or len(data.train) % recipe.batch_size % part[1]:
        raise ValueError(
            f"batches of {recipe.batch_size} out of {len(data.train)} images do not all divide by {part[1]} "
            "processes; choose another batch size, or fewer images"
        )
    sharing = {"processes": part[1], "accumulation": recipe.accumulation}
    check(model, data, recipe.batch_size, **sharing, own_loss=loss_function is not None)
    data = data.to(next(model.parameters()).device)
    steps = recipe.epochs * math.ceil(len(data.train) / recipe.batch_size)
    transform = transform or recipe.transform()
    loss_function = loss_function or recipe.loss_function()
    optimizer = optimizer or recipe.make_optimizer(model)
    factor, layout = schedule or recipe.one_cycle, _layout(model)
    for group in optimizer.param_groups:
        group.pop("initial_lr", None)  # an earlier schedule's, where the optimizer has been used before
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(min(step, steps - 1), steps))
    generator = torch.Generator().manual_seed(seed)
    history = History()
    hidden = not progress or os.environ.get("TQDM_DISABLE") == "1"  # the notebook bar does not look there
    with torch.random.fork_rng(), tqdm(total=steps, leave=False, disable=hidden) as bar:
        torch.manual_seed(seed)
        for _ in range(recipe.epochs):
            model.train()
            start, before = time.perf_counter(), len(history.step_loss)
            for images, labels in batches(
                data.train, recipe.batch_size, generator=generator, transform=transform
            ):
                images, labels = images[part[0] :: part[1]], labels[part[0] :: part[1]]
                images = _arranged(images, layout)
                loss = _backward(model, images, labels, loss_function, optimizer, recipe.accumulation)
                history.step_loss.append(loss)
                if not math.isfinite(loss):
                    raise DivergedError(_diverged(loss, len(history.step_loss) - 1, rates))
                if recipe.clip_norm < math.inf:
                    nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
                optimizer.step()
                rates.step()
                bar.update()
            history.seconds.append(time.perf_counter() - start)
            history.loss.append(statistics.fmean(history.step_loss[before:]))
            history.validation_accuracy.append(accuracy(model.eval(), data.validation))
            bar.set_postfix(validation=f"{history.validation_accuracy[-1]:.1f}")
            if after_epoch and after_epoch(model, history):
                break
    return history


def _layout(model: nn.Module) -> torch.memory_format:
    """The layout of images in which `model` trains fastest.

    On a CPU that is channels last: the book's networks take 1.3 to 1.6 times as many images a second. But in
    torch 2.14.1 the weights' gradients of a 1x1 convolution of 4 channels are then written past the end of
    their buffer (oneDNN, with AVX2), so it is for networks whose channels fill whole vectors of 8 numbers.
    """
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    channels = [layer.out_channels for layer in convolutions]
    channels += [layer.in_channels for layer in convolutions if layer.kernel_size == (1, 1)]
    whole = bool(channels) and all(count % 8 == 0 for count in channels)
    on_cpu = next(model.parameters()).device.type == "cpu"
    return torch.channels_last if whole and on_cpu else torch.contiguous_format


def _arranged(images: Tensor, layout: torch.memory_format) -> Tensor:
    """`images` `[N, C, H, W]` in `layout`, copied where they lie in memory another way.

    Grey images count as contiguous in both layouts, and torch goes by their strides: these decide here too.
    """
    strides = torch.empty(images.shape, device="meta", memory_format=layout).stride()
    return images if images.stride() == strides else images.clone(memory_format=layout)


def _backward(model, images, labels, loss_function, optimizer, parts: int) -> float:
    """Fill the gradients of a batch, taken in `parts` one after the other; give its loss."""
    optimizer.zero_grad()
    total = 0.0
    for some, targets in zip(images.chunk(parts), labels.chunk(parts), strict=True):
        loss = loss_function(model(some), targets) * (len(some) / len(images))
        loss.backward()
        total += loss.item()
    return total


def _diverged(loss: float, step: int, rates: torch.optim.lr_scheduler.LRScheduler) -> str:
    return (
        f"the loss is {loss} at step {step}, at a learning rate of {rates.get_last_lr()[0]:.2e}; "
        "lower the learning rate, or check that images and labels are finite"
    )
