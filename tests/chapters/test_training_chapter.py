"""The rules and schedules of chapter 2 against torch's, and against themselves with one term dropped."""

import ast
import copy
import itertools
import math
from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim import lr_scheduler

from tests.chapter_source import Chapter
from utils.data import load
from utils.data.downloads import DataError
from utils.data.splits import Split
from utils.training.muon import orthogonalize
from utils.training.optimizers import RuleOptimizer

CHAPTER = Chapter("02_training", torch=torch, np=np, orthogonalize=orthogonalize)
RULES = ["gradient_descent", "momentum", "adagrad", "rmsprop", "adam", "adamw", "lion", "muon"]
SCHEDULES = ["constant", "exponential", "linear", "cosine", "one cycle"]  # torch has no inverse-time decay
SCHEDULE_RULES = [
    "along_cosine",
    "one_cycle",
    "constant",
    "exponential",
    "inverse_time",
    "linear",
    "half_cosine",
]
STEPS = 100


def dropped(node):
    """Copies of a statement, each without one operand of one sum, difference, product, quotient or power."""
    count = sum(isinstance(part, ast.BinOp) for part in ast.walk(node))
    for position in range(count):
        for side in ("left", "right"):
            mutant = copy.deepcopy(node)
            parts = [part for part in ast.walk(mutant) if isinstance(part, ast.BinOp)]
            target, kept = parts[position], getattr(parts[position], side)

            class Drop(ast.NodeTransformer):
                def visit_BinOp(self, part, target=target, kept=kept):
                    return kept if part is target else self.generic_visit(part)

            yield ast.fix_missing_locations(Drop().visit(mutant))


class LionByItsAuthors(torch.optim.Optimizer):
    """Chen et al. (2023), as their published code orders the steps."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            average = self.state[p].setdefault("average", torch.zeros_like(p))
            p.mul_(1 - self.param_groups[0]["lr"] * 0.01)
            p.add_(average.lerp(p.grad, 1 - 0.9).sign_(), alpha=-self.param_groups[0]["lr"])
            average.lerp_(p.grad, 1 - 0.99)


LIBRARY = {
    "gradient_descent": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "lion": LionByItsAuthors,
    "muon": partial(torch.optim.Muon, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
}
THEIRS = {
    "constant": partial(lr_scheduler.ConstantLR, factor=1.0),
    "exponential": partial(lr_scheduler.ExponentialLR, gamma=0.05 ** (1 / STEPS)),
    "linear": partial(lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.0, total_iters=STEPS),
    "cosine": partial(lr_scheduler.CosineAnnealingLR, T_max=STEPS),
    "one cycle": partial(lr_scheduler.OneCycleLR, max_lr=0.01, total_steps=STEPS, cycle_momentum=False),
}


def problems():
    """A badly scaled quadratic, a curved valley, a softmax regression with pixels that are always black."""
    draws = torch.Generator().manual_seed(0)
    scales = torch.logspace(-1, 1, 6, dtype=torch.float64).view(3, 2)
    images = torch.rand(40, 7, generator=draws, dtype=torch.float64) * (torch.arange(7) > 1)
    labels = torch.randint(3, (40,), generator=draws)
    return {
        "quadratic": (torch.ones(3, 2), lambda w: (scales * w**2).sum()),
        "valley": (
            torch.tensor([[-3.0], [3.5]]),
            lambda w: 0.5 * w[0, 0] ** 2 + 10 * (w[1, 0] - 0.25 * w[0, 0] ** 2) ** 2,
        ),
        "softmax": (torch.zeros(7, 3), lambda w: nn.functional.cross_entropy(images @ w, labels)),
    }


PROBLEMS = problems()


def equal(make_ours, make_theirs, problem, schedules=(None, None)):
    """Whether two optimizers stay within 1e-6 of each other for 100 steps; stops at the first difference."""
    start, loss = PROBLEMS[problem]
    weights = [nn.Parameter(start.double().clone()) for _ in range(2)]
    optimizers = [make([w]) for make, w in zip((make_ours, make_theirs), weights, strict=True)]
    rates = [make(optimizer) for make, optimizer in zip(schedules, optimizers, strict=True) if make]
    for _ in range(STEPS):
        for w, optimizer in zip(weights, optimizers, strict=True):
            optimizer.zero_grad()
            loss(w).backward()
            optimizer.step()
        for rate in rates:
            rate.step()
        if not (weights[0] - weights[1]).abs().max() <= 1e-6:  # NaN counts as a difference
            return False
    return True


def definitions(rule, node=None):
    """The rules by name; in place of the statement that defines `rule`, `node`."""
    home = "adam" if rule == "adamw" else rule
    names = CHAPTER.run("adam", node or home)
    return names | {"adamw": partial(names["adam"], decay=0.01)}


def optimizer_equal(names, rule, problem):
    ours = partial(RuleOptimizer, rule=names[rule], lr=0.01)
    return equal(ours, partial(LIBRARY[rule], lr=0.01), problem)


@pytest.fixture(autouse=True)
def torch_orthogonalizes_in_64_bits(monkeypatch):
    """Its Muon rounds to bfloat16 inside, where sums in another order differ in the third digit."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("rule", RULES)
def test_every_optimizer_equals_the_librarys(rule, problem):
    assert optimizer_equal(definitions(rule), rule, problem)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "adam"])  # it is adamw without its decay
def test_an_optimizer_without_one_of_its_terms_does_not(rule):
    survivors, caught = [], 0
    for mutant in dropped(CHAPTER.statement("adam" if rule == "adamw" else rule)):
        try:
            names = definitions(rule, mutant)
            same = all(
                optimizer_equal(names, rule, problem) for problem in ("softmax", "quadratic", "valley")
            )
        except (TypeError, ValueError, RuntimeError, AttributeError, OverflowError, ZeroDivisionError):
            same = False  # a rule that no longer runs is caught as well
        survivors += [ast.unparse(mutant)] if same else []
        caught += not same
    assert caught >= 4 and survivors == []


def schedule_equal(factor, theirs, problem):
    sgd = partial(torch.optim.SGD, lr=0.01)
    ours = partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: factor(min(step, STEPS - 1), STEPS))
    return equal(sgd, sgd, problem, (ours, theirs))


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_equals_torchs(name, problem):
    table = CHAPTER.run(*SCHEDULE_RULES, "SCHEDULES")["SCHEDULES"]
    assert schedule_equal(table[name], last_step_spared(THEIRS[name]), problem)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_warm_up_equals_torchs_linear_rise(problem):
    names = CHAPTER.run(*SCHEDULE_RULES, "SCHEDULES", "warmed")

    def theirs(optimizer):
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / 20, total_iters=19)
        return lr_scheduler.ChainedScheduler([THEIRS["exponential"](optimizer), rise])

    factor = names["warmed"](names["SCHEDULES"]["exponential"])
    assert schedule_equal(factor, last_step_spared(theirs), problem)


def test_a_schedule_without_one_of_its_terms_does_not():
    survivors, checked = [], 0
    for name in SCHEDULE_RULES:
        for mutant in dropped(CHAPTER.statement(name)) if name != "inverse_time" else ():
            nodes = {key: key for key in SCHEDULE_RULES} | {name: mutant}
            table, checked = CHAPTER.run(*nodes.values(), "SCHEDULES")["SCHEDULES"], checked + 1
            try:
                same = [
                    schedule_equal(table[key], last_step_spared(THEIRS[key]), "quadratic")
                    for key in SCHEDULES
                ]
            except (TypeError, ValueError, OverflowError, ZeroDivisionError):
                continue
            survivors += [ast.unparse(mutant)] if all(same) else []
    assert checked > 20 and not survivors


def last_step_spared(make):
    """A torch schedule that is not asked for a step after its last, which OneCycleLR refuses."""

    class Spared:
        def __init__(self, optimizer):
            self.schedule, self.left = make(optimizer), STEPS - 1

        def step(self):
            if self.left:
                self.left -= 1
                self.schedule.step()

    return Spared


class Certain(nn.Module):
    """So sure of the right class that the gradient is 0 to the last bit."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1e4))

    def forward(self, images):
        return self.scale * images.flatten(1)


def noise_scale(network, split, **options):
    chapter = Chapter("02_training", torch=torch, F=nn.functional, SEED=0)
    return chapter.run("squared_gradient", "noise_scale")["noise_scale"](network, split, **options)


def test_a_network_with_nothing_left_to_learn_has_no_noise_scale():
    labels = torch.arange(32) % 2
    images = nn.functional.one_hot(labels, 2).float().view(-1, 1, 1, 2)
    assert noise_scale(Certain(), Split(images, labels)) is None
    hesitant = Certain()
    hesitant.scale.data.fill_(1.0)
    found = noise_scale(hesitant, Split(images, labels))
    assert found == pytest.approx(0, abs=1e-4)  # all images have one gradient: no noise


class OneWeight(nn.Module):
    """Logits (w x, 0): at w = 0 the gradient of an image of class 0 is -x / 2."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.0))

    def forward(self, images):
        return nn.functional.pad(self.w * images.flatten(1), (0, 1))


def test_the_noise_scale_is_the_variance_of_one_gradient_over_the_mean_squared():
    pixels = torch.linspace(0, 1, 5001)  # more than one part of the sum
    split = Split(pixels.view(-1, 1, 1, 1), torch.zeros(5001, dtype=torch.long))
    expected = (pixels.var() / pixels.mean() ** 2).item()  # 1/12 over 1/4
    assert noise_scale(OneWeight(), split, size=1, repeats=20_000) == pytest.approx(expected, rel=0.1)


def tuned(score, rates):
    names = Chapter("02_training", GUESS=10).run("edges", "tune")
    tried = []

    def attempt(rate):
        tried.append(rate)
        return score(rate), f"network of {rate}"

    return *names["tune"](attempt, rates), tried, names["edges"]


def test_a_best_rate_inside_is_taken_as_it_is():
    assert tuned(lambda rate: 50 - abs(rate - 2), [1, 2, 4]) == (2, "network of 2", [1, 2, 4], [0])


@pytest.mark.parametrize(("peak", "further"), [(16, [8, 16, 32]), (0.25, [0.5, 0.25, 0.125])])
def test_a_grid_is_widened_until_the_best_is_inside(peak, further):
    best, network, tried, edges = tuned(lambda rate: 50 - abs(rate - peak), [1, 2, 4])
    assert (best, tried, edges) == (peak, [1, 2, 4, *further], [0])
    assert network == f"network of {float(peak)}"  # a rate that was not in the grid


def test_a_choice_that_stays_at_the_edge_is_counted():
    best, _, tried, edges = tuned(lambda rate: 50 + rate, [1, 2, 4])
    assert (best, tried, edges) == (64, [1, 2, 4, 8, 16, 32, 64], [1])


def test_a_single_rate_is_not_widened():
    assert tuned(lambda rate: 50 + rate, [3]) == (3, "network of 3", [3], [1])


@pytest.mark.parametrize(("points", "further", "noted"), [(14.9, 0, []), (15, 4, [1])])
def test_where_all_rates_guess_nothing_is_widened_or_noted(points, further, noted):
    _, _, tried, edges = tuned(lambda rate: points + rate / 1000, [1, 2, 4])
    assert (len(tried), edges) == (3 + further, noted)


def test_twins_mirror_as_flip_does_and_have_labels_of_their_own():
    data = SimpleNamespace(num_classes=3)
    names = Chapter("02_training", torch=torch, F=nn.functional, nn=nn, data=data).run(
        "flip", "Twins", "FirstHalf"
    )
    images = torch.rand(64, 1, 4, 4)
    torch.manual_seed(0)
    flipped = names["flip"](images)
    torch.manual_seed(0)
    twins = names["Twins"]()
    assert torch.equal(twins(images), flipped)
    mirrored = (flipped != images).flatten(1).any(1)
    assert torch.equal(twins.mirrored, mirrored) and 16 < mirrored.sum() < 48
    labels = torch.arange(64) % 3
    sure = 50 * nn.functional.one_hot(labels + 3 * mirrored, 6).float()
    assert twins.loss(sure, labels) < 1e-6 < twins.loss(sure.roll(3, 1), labels)
    half = names["FirstHalf"](nn.Flatten())
    assert torch.equal(half(images), images.flatten(1)[:, :3])


def halves():
    known = {"torch": torch, "F": nn.functional}
    return Chapter("02_training", **known).run("momentum", "half_gradients", "half_step")


@pytest.mark.parametrize("scale", [1, 1024])
def test_half_gradients_in_32_bits_are_torchs(scale):
    network = nn.Linear(5, 3)
    images, labels = torch.randn(7, 5), torch.arange(7) % 3
    nn.functional.cross_entropy(network(images), labels).backward()
    masters, working = list(network.parameters()), nn.Linear(5, 3)
    found = halves()["half_gradients"](masters, working, images, labels, scale)
    for gradient, master in zip(found, masters, strict=True):
        torch.testing.assert_close(gradient, master.grad)


def test_half_gradients_have_the_masters_type_and_the_workings_rounding():
    network, working = nn.Linear(5, 3), nn.Linear(5, 3).half()
    images, labels = torch.randn(7, 5), torch.arange(7) % 3
    found = halves()["half_gradients"](list(network.parameters()), working, images, labels, 1024)
    assert {gradient.dtype for gradient in found} == {torch.float32}
    assert torch.equal(working.weight, network.weight.half())


def test_steps_that_round_away_are_counted():
    """Of four weights of 1 in bf16, which holds 8 bits: one wants no step, two too small a one."""
    weight = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    gradient = torch.tensor([0.0, 1e-3, 1e-2, 1.0], dtype=torch.bfloat16)
    state = {}
    half_step, counts = halves()["half_step"], Counter()
    half_step([weight], [gradient], [state], 0.1, counts)
    assert [counts[name] for name in ("gradients", "zeros", "steps", "lost")] == [4, 1, 3, 2]
    assert counts["length"] == pytest.approx(0.1011, rel=4e-3)  # of all three
    assert counts["lost length"] == pytest.approx(0.0011, rel=4e-3)  # of the two
    assert weight.tolist() == [1, 1, 1, pytest.approx(0.9, abs=4e-3)]
    for _ in range(4):  # momentum adds the third up until it counts
        half_step([weight], [gradient], [state], 0.1, counts)
    assert weight[1] == 1 and weight[2] < 1 and counts["gradients"] == 20


def test_a_step_that_is_no_number_is_neither_wanted_nor_lost():
    weight = nn.Parameter(torch.ones(2))
    gradient = torch.tensor([math.nan, 1.0])
    counts = Counter()
    halves()["half_step"]([weight], [gradient], [{}], 0.1, counts)
    assert (counts["steps"], counts["lost"], counts["lost length"]) == (1, 0, 0)
    assert counts["length"] == pytest.approx(0.1)


def test_steps_to_a_loss_are_interpolated_by_its_logarithm():
    at_target = Chapter("02_training", np=np).run("at_target")["at_target"]
    seen = [(4.0, 10.0), (1.0, 50.0), (0.01, 90.0)]  # two epochs of 100 steps
    assert at_target(seen, 0.1, 200) == pytest.approx((150, 70))
    with pytest.raises(RuntimeError, match=r"stays at 0\.01"):
        at_target(seen, 0.005, 200)


def test_a_folder_too_small_for_the_chapter_is_refused_at_once(tmp_path):
    """Six classes of four images, by the line of the chapter that loads them."""
    for part, name, i in itertools.product(("train", "test"), "abcdef", range(4)):
        (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9)).save(tmp_path / part / name / f"{i}.png")
    chapter = Chapter("02_training", load=load, DATASET=str(tmp_path), SEED=0)
    with pytest.raises(DataError, match="a holds 4 of the 10 images that are needed of each class; add some"):
        chapter.run("data")
