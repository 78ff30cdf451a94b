"""Searches for the book's recipe: `python -m runner.search` writes `book/search.csv`, a row a trial.

Optuna's tree-structured Parzen estimator and its random search get the same number of trials; some recipes by
hand stand beside them. A trial trains a network of half the book's width on both datasets; its score is the
mean validation accuracy. Test images are not looked at. An interrupted search goes on where it stopped.
"""

import argparse
import copy
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import joblib
import optuna
import pandas as pd
import torch

from utils.data.loading import load
from utils.evidence.store import DATASETS, ROOT
from utils.models import ResNet, seeded
from utils.training.loop import DivergedError, fit
from utils.training.recipe import FOUNDATION, Recipe

SEED = 100  # the evidence has seeds 0 to 4
WIDTH = 16
TRIALS = 15
SHARED = 8  # trials that both samplers draw alike, at random, before the estimator has anything to go by
SAMPLERS = {
    "TPE": optuna.samplers.TPESampler(n_startup_trials=SHARED, seed=SEED),
    "random": optuna.samplers.RandomSampler(seed=SEED),
}
HANDMADE = Recipe(optimizer="muon", learning_rate=1.5e-2, batch_size=64, label_smoothing=0.1, shift=1)
BY_HAND = (  # what an engineer tries after reading: the foundation, and Muon at a high rate and small batches
    FOUNDATION,
    HANDMADE,
    replace(HANDMADE, weight_decay=0.05),
    replace(HANDMADE, learning_rate=1e-2, batch_size=32),
)
RATES = {"adamw": (5e-4, 2e-2), "muon": (5e-4, 2e-2), "sgd": (2e-2, 0.5)}
DECAYS = {"adamw": (1e-3, 0.3), "muon": (1e-3, 0.3), "sgd": (1e-5, 1e-2)}


def suggest(trial, epochs=6):
    """Draw a Recipe from the space of the search.

    Args:
        trial: an Optuna trial.
        epochs: the same for all, so that all trials see as many images.
    """
    optimizer = trial.suggest_categorical("optimizer", sorted(RATES))
    return Recipe(
        epochs=epochs,
        optimizer=optimizer,
        learning_rate=trial.suggest_float(f"learning_rate_{optimizer}", *RATES[optimizer], log=True),
        weight_decay=trial.suggest_float(f"weight_decay_{optimizer}", *DECAYS[optimizer], log=True),
        batch_size=trial.suggest_categorical("batch_size", [64, 128, 256]),
        warm_up=trial.suggest_float("warm_up", 0.05, 0.5),
        label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        shift=trial.suggest_int("shift", 0, 3),
    )


def score(recipe, data, *, width=WIDTH, seed=SEED):
    """Train once by `recipe` and give the validation accuracy in points, 0 where the loss diverged."""
    model = seeded(lambda: ResNet(width, data.channels, data.num_classes), seed)
    try:
        return fit(model, data, seed=seed, recipe=recipe, progress=False).validation_accuracy[-1]
    except DivergedError:
        return 0.0


def proposals(name):
    """Yield one Recipe after the other; each is to be answered, by `send`, with its score.

    Args:
        name: a key of SAMPLERS, or "hand" for the recipes of BY_HAND.
    """
    if name == "hand":
        for recipe in BY_HAND:  # noqa: UP028 (`yield from` would send the scores on to a tuple)
            yield recipe
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=copy.deepcopy(SAMPLERS[name]))
    while True:
        trial = study.ask()
        study.tell(trial, (yield suggest(trial)))


def search(name, folder, trials=TRIALS, datasets=None, width=WIDTH):
    """Score what one sampler proposes, and keep a row a trial in `folder`.

    Args:
        name: as for `proposals`.
        folder: holds `search-NAME.csv`; the trials there are not run again.
        trials: how many there shall be in the end, at most.
        datasets: Datasets to score on, by default the evidence's with seed SEED.
        width: of the network that is trained.

    Returns:
        DataFrame with the columns sampler, trial, those of Recipe, one a dataset, score and seconds.
    """
    file = Path(folder) / f"search-{name}.csv"
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    datasets = datasets or [load(dataset, seed=SEED) for dataset in DATASETS]
    source = proposals(name)
    recipe = next(source)  # an earlier trial is proposed again as it was, and so the search goes on as it was
    for number in range(trials):
        if number >= len(rows):
            start = time.perf_counter()
            scores = {data.name: score(recipe, data, width=width) for data in datasets}
            row = {"sampler": name, "trial": number, **asdict(recipe), **scores}
            row |= {"score": sum(scores.values()) / len(scores), "seconds": time.perf_counter() - start}
            rows.append(row)
            part = file.with_suffix(".part")
            pd.DataFrame(rows).to_csv(part, index=False, float_format="%.6g")
            part.replace(file)
        try:
            recipe = source.send(rows[number]["score"])
        except StopIteration:  # no more recipes by hand
            break
    return pd.DataFrame(rows)


def _one_thread(*arguments):
    torch.set_num_threads(1)
    return search(*arguments)


def main(arguments=None):
    """Command line: run the samplers side by side and write the table; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.search", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="of each sampler")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    folder = options.root / ".cache"
    folder.mkdir(exist_ok=True)
    found = joblib.Parallel(n_jobs=2)(
        joblib.delayed(_one_thread)(name, folder, options.trials) for name in (*SAMPLERS, "hand")
    )
    table = pd.concat(found).drop(columns=["accumulation", "clip_norm"])
    table.to_csv(options.root / "book" / "search.csv", index=False, float_format="%.6g", lineterminator="\n")
    best = table.loc[table["score"].idxmax()]
    print(f"{len(table)} trials, {table['seconds'].sum():.0f} s of one core; the best:\n{best.to_string()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
