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
from runner.search import score, search, suggest
from utils.data.splits import Dataset, Split
from utils.training.recipe import FOUNDATION, MUON, RECIPE, Recipe

RATES = {"adamw": (1e-3, 3e-2), "sgd": (2e-2, 1.0), "muon": (2e-3, 5e-2)}
DECAYS = {"adamw": (1e-3, 0.3), "sgd": (1e-5, 1e-2), "muon": (1e-3, 0.3)}


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


@pytest.mark.parametrize("optimizer", RATES)
def test_recipes_lie_in_the_space_and_fill_it(optimizer):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    recipes = [suggest(study.ask(), optimizer) for _ in range(200)]
    common = {(r.optimizer, r.epochs, r.label_smoothing, r.shift, r.clip_norm) for r in recipes}
    assert common == {(optimizer, 6, 0.1, 1, math.inf)}
    for name, (low, high) in {
        "learning_rate": RATES[optimizer],
        "weight_decay": DECAYS[optimizer],
        "warm_up": (0.05, 0.5),
    }.items():
        values = [getattr(recipe, name) for recipe in recipes]
        assert low <= min(values) and max(values) <= high
        middle = (low + high) / 2 if name == "warm_up" else math.sqrt(low * high)
        assert 0.4 < sum(value < middle for value in values) / len(values) < 0.6
    count = Counter(recipe.batch_size for recipe in recipes)
    assert set(count) == {32, 64, 128} and min(count.values()) > 40


def test_every_recipe_of_the_book_that_was_searched_lies_in_the_space():
    for recipe in (RECIPE, MUON):
        low, high = RATES[recipe.optimizer]
        assert low < recipe.learning_rate < high and recipe.batch_size in (32, 64, 128)
        assert (recipe.epochs, recipe.label_smoothing, recipe.shift) == (6, 0.1, 1)
    assert FOUNDATION in module.BY_HAND and MUON in module.BY_HAND


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_row_a_trial(tmp_path, datasets, scored, name):
    table = search(name, tmp_path, 3, datasets, width=5)
    recipe = [field.name for field in fields(Recipe)]
    assert list(table) == ["study", "trial", *recipe, "one", "two", "score", "seconds"]
    assert table["trial"].tolist() == [0, 1, 2] and set(table["study"]) == {name}
    assert [call[1:] for call in scored] == [("one", 5), ("two", 5)] * 3
    assert scored[0::2] == [(recipe, "one", 5) for recipe, *_ in scored[1::2]]  # both by the same recipe
    for row, (drawn, *_) in zip(table.to_dict("records"), scored[0::2], strict=True):
        assert {key: row[key] for key in recipe} == asdict(drawn)
        assert row["one"] == 80 - 50 * abs(drawn.warm_up - 0.2)
        assert row["score"] == pytest.approx(row["one"] + 0.5) and row["seconds"] >= 0
    stored = pd.read_csv(tmp_path / f"search-{name}.csv")
    pd.testing.assert_frame_equal(stored, table, rtol=1e-5, check_dtype=False)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_an_interrupted_search_goes_on_as_it_would_have(tmp_path, datasets, scored, monkeypatch, name):
    """Twelve trials are more than the four that are drawn at random."""
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


def test_after_its_start_at_random_the_estimator_draws_near_the_best(tmp_path, datasets, scored):
    table = search("adamw", tmp_path, 40, datasets[:1])
    off = (table["warm_up"] - 0.2).abs()
    assert off[20:].mean() < 0.6 * 0.125  # of a random draw from 0.05 to 0.5 the mean distance is 0.125
    assert len(table["warm_up"].unique()) == 40


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
    monkeypatch.setattr(module, "suggest", lambda *_: Recipe(epochs=6, batch_size=32, learning_rate=1e-2))
    table = search("sgd", tmp_path, 1, [stripes, broken], width=2)
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
    assert asked == [("glyphs", 100), ("fashion-mnist", 100)] * 4 and threads == [1] * 4
    table = pd.read_csv(tmp_path / "book" / "search.csv")
    assert table["study"].tolist() == [name for name in (*RATES, "hand") for _ in range(2)]
    assert table["trial"].tolist() == [0, 1] * 4
    assert {"glyphs", "fashion-mnist", "score", "optimizer", "learning_rate"} <= set(table)
    assert not {"accumulation", "clip_norm"} & set(table)
    out = capsys.readouterr().out
    assert out.startswith("8 trials, ")
    best = table.loc[table["score"].idxmax()]
    assert f"{best['warm_up']:.3f}"[:5] in out
