"""Searches for the book's recipe: `python -m runner.search` writes `book/search.csv`, a row a trial.

Each optimizer gets a study of its own with the same number of trials, which Optuna's tree-structured Parzen
estimator draws; some recipes by hand stand beside them. A trial trains a network of half the book's width on
both datasets; its score is the mean validation accuracy. Test images are not looked at. An interrupted search
goes on where it stopped.
"""

import argparse
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
from utils.training.recipe import COMMON, FOUNDATION, MUON

SEED = 100  # the evidence has seeds 0 to 4
WIDTH = 16
TRIALS = 12  # of each optimizer
AT_RANDOM = 4  # of these, before the estimator has anything to go by
RATES = {"adamw": (1e-3, 3e-2), "sgd": (2e-2, 1.0), "muon": (2e-3, 5e-2)}
DECAYS = {"adamw": (1e-3, 0.3), "sgd": (1e-5, 1e-2), "muon": (1e-3, 0.3)}
BATCHES = (32, 64, 128)
BY_HAND = (FOUNDATION, COMMON, MUON)  # what an engineer tries after reading


def suggest(trial, optimizer):
    """Draw a Recipe for `optimizer`, a key of RATES, from the space of the search; `trial` is Optuna's."""
    return replace(
        COMMON,
        optimizer=optimizer,
        learning_rate=trial.suggest_float("learning_rate", *RATES[optimizer], log=True),
        weight_decay=trial.suggest_float("weight_decay", *DECAYS[optimizer], log=True),
        batch_size=trial.suggest_categorical("batch_size", BATCHES),
        warm_up=trial.suggest_float("warm_up", 0.05, 0.5),
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
        name: an optimizer, a key of RATES, or "hand" for the recipes of BY_HAND.
    """
    if name == "hand":
        for recipe in BY_HAND:  # noqa: UP028 (`yield from` would send the scores on to a tuple)
            yield recipe
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(n_startup_trials=AT_RANDOM, seed=SEED)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    while True:
        trial = study.ask()
        study.tell(trial, (yield suggest(trial, name)))


def search(name, folder, trials=TRIALS, datasets=None, width=WIDTH):
    """Score what one study proposes, and keep a row a trial in `folder`.

    Args:
        name: as for `proposals`.
        folder: holds `search-NAME.csv`; the trials there are not run again.
        trials: how many there shall be in the end, at most.
        datasets: Datasets to score on, by default the evidence's with seed SEED.
        width: of the network that is trained.

    Returns:
        DataFrame with the columns study, trial, those of Recipe, one a dataset, score and seconds.
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
            row = {"study": name, "trial": number, **asdict(recipe), **scores}
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
    """Command line: run the studies side by side and write the table; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m runner.search", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="of each optimizer")
    parser.add_argument("--root", type=Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    folder = options.root / ".cache"
    folder.mkdir(exist_ok=True)
    found = joblib.Parallel(n_jobs=2)(
        joblib.delayed(_one_thread)(name, folder, options.trials) for name in (*RATES, "hand")
    )
    table = pd.concat(found).drop(columns=["accumulation", "clip_norm"])
    table.to_csv(options.root / "book" / "search.csv", index=False, float_format="%.6g", lineterminator="\n")
    best = table.loc[table["score"].idxmax()]
    print(f"{len(table)} trials, {table['seconds'].sum():.0f} s of one core; the best:\n{best.to_string()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
