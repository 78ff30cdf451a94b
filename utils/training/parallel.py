"""Training in several processes: how a chapter starts them, and what each of them does.

`launch` is the shell's `torchrun --standalone --nproc-per-node 2 -m utils.training.parallel FOLDER`: each
process reads its call from the folder, and leaves there what the call gave.
"""

import copy
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.elastic.multiprocessing.errors import record
from torch.nn.parallel import DistributedDataParallel

from utils.data.splits import Dataset
from utils.training.loop import History, fit
from utils.training.recipe import Recipe

ROOT = Path(__file__).parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
WARM_UP = 5  # rounds before the clock counts


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a process holds after training: `parameters` by name, `seconds` of a step in the last epoch."""

    parameters: dict[str, Tensor]
    seconds: float


def train_share(model: nn.Module, data: Dataset, recipe: Recipe, seed: int) -> Trained:
    """What each process does: the book's loop, on a copy that averages its gradients with the others'."""
    replica = DistributedDataParallel(copy.deepcopy(model))
    part = (dist.get_rank(), dist.get_world_size())
    history = fit(replica, data, seed=seed, recipe=recipe, part=part, progress=False)
    parameters = {name: value.detach() for name, value in replica.module.named_parameters()}
    return Trained(parameters, _step_seconds(history, recipe))


def _step_seconds(history: History, recipe: Recipe) -> float:
    """Seconds of a step of the last epoch."""
    return history.seconds[-1] * recipe.epochs / len(history.step_loss)


def train(
    runs: Mapping[Hashable, tuple[nn.Module, Dataset, Recipe]], seed: int, *, processes: int = 2
) -> dict[Hashable, list[Trained]]:
    """Train networks one after the other, each in several processes at once; each process has one thread.

    Args:
        runs: name to a network on the CPU, which stays as it is; its data, which each process holds, so keep
            them few (the test part is not passed on); and the recipe, whose batch all processes share.
        seed: of the order of the images, the same in all processes.
        processes: 1 or more.

    Returns:
        Name to what each process holds, in the order of their ranks.

    Raises:
        ValueError: if a batch does not divide into equal shares; the mean of the shares' gradients would
            not be the batch's.
        RuntimeError: if a process fails.
    """
    packed = {}
    for name, (model, data, recipe) in runs.items():
        last = len(data.train) % recipe.batch_size
        if recipe.batch_size % processes or last % processes:
            raise ValueError(
                f"{name!r}: batches of {recipe.batch_size} images, the last of {last or recipe.batch_size}, "
                f"do not divide by {processes} processes; take another batch size or fewer images"
            )
        packed[name] = (model, _packed(data), recipe)
    shares = launch(_train_each, packed, seed, processes=processes)
    return {name: [share[name] for share in shares] for name in runs}


@dataclasses.dataclass(frozen=True)
class Compared:
    """One process against several: largest `difference` of any parameter, seconds of a step of either."""

    difference: float
    alone: float
    together: float


def compare(
    runs: Mapping[Hashable, tuple[nn.Module, Dataset, Recipe]], seed: int, *, processes: int = 2
) -> dict[Hashable, Compared]:
    """Train networks in several processes and in this one, which takes whole batches on one thread.

    Args:
        runs: as for `train`.
        seed: as for `train`.
        processes: as for `train`.

    Returns:
        Name to Compared.

    Raises:
        ValueError: as `train`.
        RuntimeError: as `train`.
    """
    shares, found, threads = train(runs, seed, processes=processes), {}, torch.get_num_threads()
    torch.set_num_threads(1)  # as each of the others has
    try:
        for name, (model, data, recipe) in runs.items():
            alone, together = copy.deepcopy(model), shares[name][0]
            history = fit(alone, data, seed=seed, recipe=recipe, progress=False)
            pairs = zip(alone.parameters(), together.parameters.values(), strict=True)
            difference = max((one - other).abs().max().item() for one, other in pairs)
            found[name] = Compared(difference, _step_seconds(history, recipe), together.seconds)
    finally:
        torch.set_num_threads(threads)
    return found


def time_all_reduce(sizes: Iterable[int], *, repeats: int = 30, processes: int = 2) -> dict[int, float]:
    """Time the sum over processes that leaves every process with the result.

    Args:
        sizes: bytes of the float32 vectors, multiples of 4; they take turns in shuffled order, so that a slow
            moment of the machine hits all alike.
        repeats: timed rounds, after 5 that are not counted.
        processes: 2 or more.

    Returns:
        Bytes to seconds: the median over rounds of the slowest process.

    Raises:
        RuntimeError: if a process fails.
    """
    sizes = list(sizes)
    seconds = np.stack(launch(_time_rounds, sizes, repeats, processes=processes))
    return dict(zip(sizes, np.median(seconds.max(0), axis=0).tolist(), strict=True))


def launch(function: Callable, *arguments, processes: int = 2, limit: float = 600) -> list:
    """Call `function(*arguments)` in each of several processes that can talk to each other.

    Args:
        function: at the top level of a module; what it is given and gives back passes through files.
        processes: 1 or more, each with one thread.
        limit: seconds after which the processes are stopped.

    Returns:
        What each process gave, in the order of their ranks.

    Raises:
        RuntimeError: if a process fails, with the end of what it wrote.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as folder:
        torch.save((function, arguments), Path(folder) / "call.pt")
        command += [f"--nproc-per-node={processes}", "-m", "utils.training.parallel", folder]
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": paths, "TMPDIR": folder}
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            _, errors = child.communicate(timeout=limit)
        finally:
            child.terminate()  # if it still runs: torchrun then stops its processes
            child.wait()
        if child.returncode != 0:
            raise RuntimeError(f"{function.__name__} failed in its processes:\n{errors[-3000:]}")
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(processes)]


def _packed(data: Dataset) -> Dataset:
    """Copies of the training and validation images: a slice would be saved with all that it was cut from."""
    train, validation = (
        dataclasses.replace(split, images=split.images.clone(), labels=split.labels.clone(), factors={})
        for split in (data.train, data.validation)
    )
    return dataclasses.replace(data, train=train, validation=validation, test=validation)


def _train_each(runs, seed: int) -> dict[Hashable, Trained]:
    return {name: train_share(*run, seed) for name, run in runs.items()}


def _time_rounds(sizes: list[int], repeats: int) -> np.ndarray:
    vectors = [torch.ones(size // 4) for size in sizes]
    order = np.random.default_rng(0)  # the same in all processes, or they would wait for each other forever
    seconds = np.empty((WARM_UP + repeats, len(sizes)))
    for row in seconds:
        for i in order.permutation(len(sizes)):
            for _ in range(2):  # the first brings the vector into the caches, where a gradient would be
                start = time.perf_counter()
                dist.all_reduce(vectors[i], op=dist.ReduceOp.MAX)  # moves what a sum moves; cannot overflow
                row[i] = time.perf_counter() - start
    return seconds[WARM_UP:]


@record  # lets torchrun quote the traceback
def main(folder: Path) -> None:
    dist.init_process_group("gloo", timeout=timedelta(minutes=10))
    function, arguments = torch.load(folder / "call.pt", weights_only=False)
    torch.save(function(*arguments), folder / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
