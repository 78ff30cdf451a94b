"""That the figures are there; how large they are is not a test's business."""

import torch

from runner import bench


def test_figures_are_measured_and_the_threads_are_left_as_they_were(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    threads = torch.get_num_threads()
    found = bench.figures(images=94)
    assert found["glyphs drawn a second"] > 0 and found["images trained on a second, 1 threads"] > 0
    assert torch.get_num_threads() == threads


def test_the_best_round_counts(monkeypatch):
    times = iter([0, 5, 10, 12, 20, 29])
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(times))
    assert bench.best(lambda: None) == 2
