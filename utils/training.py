"""The book's training loop, its recipe, and the trained network that every chapter starts from."""

import hashlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from utils import models
from utils.data import Dataset, batches
from utils.evaluation import accuracy


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW (Loshchilov & Hutter, 2019) with one cycle (Smith & Topin, 2018).

    Args:
        epochs: passes over the training images, 1 or more.
        batch_size: images per step, 1 or more.
        learning_rate: the peak of the cycle, above 0.
        weight_decay: AdamW's decoupled decay, 0 or more.
        warm_up: share of the steps in which the rate rises to its peak, in 0...1.

    Raises:
        ValueError: names the value that is out of its range.
    """

    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.3

    def __post_init__(self):
        least = {"epochs": 1, "batch_size": 1, "weight_decay": 0, "warm_up": 0}
        for name, bound in least.items():
            if not getattr(self, name) >= bound:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be {bound} or more")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}; it has to be a number above 0")
        if self.warm_up > 1:
            raise ValueError(f"warm_up is {self.warm_up}; it is a share of the steps, in 0...1")


RECIPE = Recipe()


class DivergedError(FloatingPointError):
    """The loss is no longer a finite number."""


@dataclass
class History:
    """What `fit` saw, one entry an epoch."""

    loss: list[float] = field(default_factory=list)  # mean training loss
    validation_accuracy: list[float] = field(default_factory=list)  # points, 0...100
    seconds: list[float] = field(default_factory=list)  # training alone, without validation


def fit(
    model: nn.Module,
    data: Dataset,
    *,
    seed: int,
    recipe: Recipe = RECIPE,
    transform: Callable[[Tensor], Tensor] | None = None,
    loss_function: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    progress: bool = True,
) -> History:
    """Train `model` in place on `data.train`, on the device its parameters are on; leave it in eval mode.

    Args:
        model: called as `model(images)`; gives logits `[N, num_classes]`.
        data: `data.validation` is evaluated after each epoch, for the history alone: nothing is chosen by it.
        seed: drives the order of the images, dropout and `transform`.
        recipe: epochs, batch size and learning rate.
        transform: augmentation, applied to whole batches `[N, C, H, W]`.
        loss_function: called as `loss_function(logits, labels)`, gives a scalar.
        progress: show a bar.

    Returns:
        History with one entry an epoch.

    Raises:
        DivergedError: when the loss is not finite, with the step and the learning rate.
    """
    device = next(model.parameters()).device
    data = data.to(device)
    steps = recipe.epochs * math.ceil(len(data.train) / recipe.batch_size)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = one_cycle(optimizer, recipe, steps)
    generator = torch.Generator().manual_seed(seed)
    history = History()
    hidden = not progress or os.environ.get("TQDM_DISABLE") == "1"  # the notebook bar does not look there
    with torch.random.fork_rng(), tqdm(total=steps, leave=False, disable=hidden) as bar:
        torch.manual_seed(seed)
        for _ in range(recipe.epochs):
            model.train()
            start, total = time.perf_counter(), 0.0
            for images, labels in batches(
                data.train, recipe.batch_size, generator=generator, transform=transform
            ):
                loss = loss_function(model(images), labels)
                if not torch.isfinite(loss):
                    raise DivergedError(_diverged(loss, bar.n, schedule))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(labels)
                bar.update()
            history.seconds.append(time.perf_counter() - start)
            history.loss.append(total / len(data.train))
            history.validation_accuracy.append(accuracy(model.eval(), data.validation))
            bar.set_postfix(validation=f"{history.validation_accuracy[-1]:.1f}")
    return history


def one_cycle(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Raise the learning rate linearly to its peak, then let it fall to 0 along half a cosine.

    Args:
        optimizer: its learning rate is the peak.
        recipe: `recipe.warm_up` is the share of `steps` that rises.
        steps: optimizer steps of the whole run.
    """
    rise = max(1, round(recipe.warm_up * steps))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / max(1, steps - rise)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def base_network(data: Dataset, seed: int, *, width: int = 32, recipe: Recipe = RECIPE) -> nn.Module:
    """The trained residual network that chapters start from, from the cache where it is there.

    Processes that ask for the same network at the same time train it once. The cache lies under
    `BOOK_CACHE_DIR` (default `.cache/` in the book's root); a file that is damaged is made again.

    Args:
        data: the training images are part of the cache's key, bit by bit.
        seed: drives initialisation and order.
        width: 32 is the base network, 8 the small one.
        recipe: how it is trained.

    Returns:
        A `ResNet` on the CPU, in eval mode.
    """
    model = models.seeded(lambda: models.ResNet(width, data.channels, data.num_classes), seed)
    folder = Path(os.environ.get("BOOK_CACHE_DIR") or Path(__file__).parents[1] / ".cache")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{cache_key(data, seed, width, recipe)}.safetensors"
    with FileLock(f"{path}.lock"):
        state = load_state(path)
        if state is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            fit(model.to(device), data, seed=seed, recipe=recipe)
            state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
            save_state(path, state)
    model.cpu().load_state_dict(state)
    return model.eval()


def cache_key(data: Dataset, seed: int, width: int, recipe: Recipe) -> str:
    """A name for a trained network that changes with everything that could change its weights."""
    digest = hashlib.sha256()
    for path in (models.__file__, __file__):
        digest.update(Path(path).read_bytes())
    for tensor in (data.train.images, data.train.labels):
        digest.update(tensor.cpu().contiguous().numpy())
    digest.update(repr((data.num_classes, seed, asdict(recipe), torch.__version__)).encode())
    return f"resnet{width}-{Path(data.name).name}-{seed}-{digest.hexdigest()[:16]}"


def save_state(path: Path, state: dict[str, Tensor]) -> None:
    """Write `state` beside `path` and rename it, so that no reader ever sees half a file."""
    part = path.with_suffix(".part")
    save_file(state, part, metadata={"digest": _digest(state)})
    os.replace(part, path)


def load_state(path: Path) -> dict[str, Tensor] | None:
    """The tensors stored at `path`, or None where there is no file or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            digest = (file.metadata() or {}).get("digest")
    except (OSError, SafetensorError):
        return None
    return state if digest == _digest(state) else None


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy())
    return digest.hexdigest()


def _diverged(loss: Tensor, step: int, schedule: torch.optim.lr_scheduler.LRScheduler) -> str:
    return (
        f"the loss is {loss.item()} at step {step}, at a learning rate of {schedule.get_last_lr()[0]:.2e}; "
        "lower the learning rate, or check that images and labels are finite"
    )
