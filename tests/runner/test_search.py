"""Trials are scored by a stand-in that counts them; a few are really trained, 2 channels wide."""

import math
from collections import Counter
from dataclasses import asdict, fields, replace

import joblib
import optuna
import pandas as pd
import pytest
import torch

from runner import search as module
from runner.search import SAMPLERS, score, search, suggest
from utils.data.splits import Dataset, Split
from utils.training.recipe import Recipe

RATES = {"adamw": (5e-4, 2e-2), "muon": (5e-4, 2e-2), "sgd": (2e-2, 0.5)}
DECAYS = {"adamw": (1e-3, 0.3), "muon": (1e-3, 0.3), "sgd": (1e-5, 1e-2)}


@pytest.fixture
def datasets(stripes):
    return [replace(stripes, name=name) for name in ("one", "two")]


@pytest.fixture
def scored(monkeypatch):
    """Scores without training: best at a warm-up of 0.2, one point better on "two"; keeps the calls."""
    calls = []

    def stand_in(recipe, data, *, width, **_):
        calls.append((recipe, data.name, width))
        return 80 - 50 * abs(recipe.warm_up - 0.2) + (data.name == "two")

    monkeypatch.setattr(module, "score", stand_in)
    return calls


def test_recipes_lie_in_the_space_and_fill_it():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    recipes = [suggest(study.ask(), epochs=9) for _ in range(300)]
    assert {recipe.epochs for recipe in recipes} == {9}
    for recipe in recipes:
        low, high = RATES[recipe.optimizer]
        assert low <= recipe.learning_rate <= high
        low, high = DECAYS[recipe.optimizer]
        assert low <= recipe.weight_decay <= high
        assert 0.05 <= recipe.warm_up <= 0.5 and 0 <= recipe.label_smoothing <= 0.2
        assert (recipe.accumulation, recipe.clip_norm) == (1, math.inf)
    for name, values in {"optimizer": RATES, "batch_size": (64, 128, 256), "shift": range(4)}.items():
        count = Counter(getattr(recipe, name) for recipe in recipes)
        assert set(count) == set(values) and min(count.values()) > 40
    for optimizer, (low, high) in RATES.items():  # as many below the geometric mean as above
        rates = [recipe.learning_rate for recipe in recipes if recipe.optimizer == optimizer]
        assert 0.3 < sum(rate < math.sqrt(low * high) for rate in rates) / len(rates) < 0.7


@pytest.mark.parametrize("name", ["TPE", "random"])
def test_a_row_a_trial(tmp_path, datasets, scored, name):
    table = search(name, tmp_path, 3, datasets, width=5)
    recipe = [field.name for field in fields(Recipe)]
    assert list(table) == ["sampler", "trial", *recipe, "one", "two", "score", "seconds"]
    assert table["trial"].tolist() == [0, 1, 2] and set(table["sampler"]) == {name}
    assert [call[1:] for call in scored] == [("one", 5), ("two", 5)] * 3
    assert scored[0::2] == [(recipe, "one", 5) for recipe, *_ in scored[1::2]]  # both by the same recipe
    for row, (drawn, *_) in zip(table.to_dict("records"), scored[0::2], strict=True):
        assert {key: row[key] for key in recipe} == asdict(drawn)
        assert row["one"] == 80 - 50 * abs(drawn.warm_up - 0.2)
        assert row["score"] == pytest.approx(row["one"] + 0.5) and row["seconds"] >= 0
    stored = pd.read_csv(tmp_path / f"search-{name}.csv")
    pd.testing.assert_frame_equal(stored, table, rtol=1e-5, check_dtype=False)


@pytest.mark.parametrize("name", ["TPE", "random"])
def test_an_interrupted_search_goes_on_as_it_would_have(tmp_path, datasets, scored, monkeypatch, name):
    """Twelve trials are more than the eight that TPE draws at random."""
    whole = search(name, tmp_path, 14, datasets)
    (tmp_path / f"search-{name}.csv").unlink()
    expected, stand_in = list(scored), module.score
    scored.clear()

    def interrupted(recipe, data, **options):
        if len(scored) == 25:  # of trial 12 one dataset is done
            raise KeyboardInterrupt
        return stand_in(recipe, data, **options)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "score", interrupted)
        search(name, tmp_path, 14, datasets)
    assert len(pd.read_csv(tmp_path / f"search-{name}.csv")) == 12
    resumed = search(name, tmp_path, 14, datasets)
    assert scored[:24] == expected[:24]
    assert scored[25:] == expected[24:]  # trials 12 and 13 alone, and what they would have been
    pd.testing.assert_frame_equal(
        resumed.drop(columns="seconds"), whole.drop(columns="seconds"), rtol=1e-5, check_dtype=False
    )
    scored.clear()
    assert len(search(name, tmp_path, 14, datasets)) == 14 and scored == []


def test_recipes_by_hand_end_when_there_are_no_more(tmp_path, datasets, scored):
    table = search("hand", tmp_path, 9, datasets)
    assert [recipe for recipe, *_ in scored[::2]] == list(module.BY_HAND)
    assert len(table) == len(module.BY_HAND) < 9 and len(set(module.BY_HAND)) == len(table)


def test_the_samplers_begin_alike_and_then_tpe_learns(tmp_path, datasets, scored):
    """After eight random trials TPE draws near the best warm-up, where the random search does not."""
    tables = [
        search(name, tmp_path, 40, datasets[:1]).drop(columns=["sampler", "seconds"]) for name in SAMPLERS
    ]
    alike = (tables[0] == tables[1]).all(axis=1).tolist()
    assert alike[:8] == [True] * 8 and not any(alike[8:])
    tpe, random = ((table["warm_up"] - 0.2).abs()[20:].mean() for table in tables)
    assert tpe < 0.6 * random


def test_the_score_is_the_accuracy_on_validation_images(stripes):
    recipe = Recipe(epochs=6, batch_size=32, learning_rate=1e-2)
    found = score(recipe, stripes, width=2)
    assert found > 90
    flipped = Split(stripes.validation.images, 1 - stripes.validation.labels)
    unseen = Split(stripes.test.images * math.nan, stripes.test.labels + 9)
    other = Dataset("other", stripes.train, flipped, unseen, stripes.classes)
    assert score(recipe, other, width=2) == pytest.approx(100 - found)


def test_a_trial_that_diverges_scores_0(tmp_path, stripes, monkeypatch):
    labels = stripes.train.labels
    broken = Dataset("broken", Split(stripes.train.images * math.nan, labels), *[stripes.test] * 2, "ab")
    assert score(Recipe(epochs=1), broken, width=2) == 0
    monkeypatch.setattr(module, "suggest", lambda _: Recipe(epochs=6, batch_size=32, learning_rate=1e-2))
    table = search("random", tmp_path, 1, [stripes, broken], width=2)
    assert table["broken"].tolist() == [0] and table["stripes"][0] > 90
    assert table["score"].tolist() == [table["stripes"][0] / 2]


def test_the_command_writes_the_table_of_both(tmp_path, datasets, scored, monkeypatch, capsys):
    (tmp_path / "book").mkdir()
    asked = []

    def load(name, *, seed):
        asked.append((name, seed))
        return replace(datasets[0], name=name)

    monkeypatch.setattr(module, "load", load)
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    with joblib.parallel_config(backend="sequential"):
        assert module.main(["--trials", "2", "--root", str(tmp_path)]) == 0
    assert asked == [("glyphs", 100), ("fashion-mnist", 100)] * 3 and threads == [1] * 3
    table = pd.read_csv(tmp_path / "book" / "search.csv")
    assert table["sampler"].tolist() == [name for name in ("TPE", "random", "hand") for _ in range(2)]
    assert table["trial"].tolist() == [0, 1] * 3
    assert {"glyphs", "fashion-mnist", "score", "optimizer", "learning_rate"} <= set(table)
    assert not {"accumulation", "clip_norm"} & set(table)
    out = capsys.readouterr().out
    assert out.startswith("6 trials, ")
    best = table.loc[table["score"].idxmax()]
    assert f"{best['warm_up']:.3f}"[:5] in out
