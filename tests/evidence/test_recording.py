"""Oracles: scipy's own t interval, intervals worked out by hand, MyST's own reader of glue outputs."""

import math

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from scipy import stats

from runner import fingerprint
from tests.stub_book import CHAPTER, write_evidence
from utils.evidence import recording
from utils.evidence.recording import geometric, interval, record, stored
from utils.evidence.store import EvidenceError, chapters

SWEEP = [("glyphs", seed, "curve", at, at + seed) for seed in range(3) for at in (8, 0.5)]
ROWS = [("glyphs", seed, "accuracy", "", 80 + seed) for seed in range(3)] + SWEEP


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def glued(captured):
    """Read glue outputs as MyST does: key to text."""
    pytest.importorskip("myst_nb.ext.glue", reason="Colab has no MyST-NB, which builds the pages")
    from myst_nb.ext.glue import extract_glue_data_cell

    outputs = [nbformat.v4.new_output("display_data", o.data, metadata=o.metadata) for o in captured.outputs]
    cell = nbformat.v4.new_code_cell(outputs=outputs)
    found = dict(extract_glue_data_cell(cell))
    assert cell.outputs == []  # nothing is left to show
    return {key: output["data"]["text/plain"] for key, output in found.items()}


def shown(text, form):
    """Format a glued text as MyST does."""
    from myst_nb.core.variables import format_plain_text

    return format_plain_text(text, form)


def test_record_is_a_glue_output_and_shows_nothing(shell):
    with capture_output() as captured:
        record("base_accuracy", 81.25, tolerance=0)
        record("curve", 3, at=8.0)
        record("curve", 4, at=0.1 + 0.2, timing=True)
    assert captured.stdout == "" and captured.stderr == ""
    texts = glued(captured)
    assert list(texts) == ["live.base_accuracy", "live.curve@8", "live.curve@0.3"]
    assert shown(texts["live.base_accuracy"], ".1f") == "81.2"
    rows = [output.metadata["evidence"] for output in captured.outputs]
    assert rows[0] == {"name": "base_accuracy", "value": 81.25, "at": None, "tolerance": 0, "timing": False}
    assert rows[2]["timing"] is True


def test_record_outside_ipython_is_silent(capsys):
    record("share", 0.5)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["", "1st", "a.b", "a b", "a@1", "à", "_a", "a:b"])
def test_record_refuses_a_name_that_prose_could_not_use(name):
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        record(name, 1)


@pytest.mark.parametrize("options", [{"value": math.nan}, {"value": math.inf}, {"value": 1, "at": math.nan}])
def test_record_refuses_numbers_that_are_not_finite(options):
    with pytest.raises(ValueError, match="give a finite number"):
        record("accuracy", **options)


def test_record_refuses_text_and_negative_tolerances():
    with pytest.raises(TypeError, match="give a number"):
        record("accuracy", "81.2")
    with pytest.raises(ValueError, match="0 or more"):
        record("accuracy", 1, tolerance=-1)


def test_interval_by_hand_and_by_scipy():
    by_hand = interval([1, 2, 3])  # t(0.975, 2) = 4.302653, standard deviation 1
    assert by_hand.mean == 2 and by_hand.std == 1 and by_hand.n == 3
    assert by_hand.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    values = [81.3, 80.2, 84.9, 79.0, 82.2]
    low, high = stats.t.interval(0.95, 4, loc=sum(values) / 5, scale=stats.sem(values))
    assert interval(values)[1:3] == pytest.approx((low, high), rel=1e-12)


def test_interval_of_one_and_of_equal_values():
    assert math.isnan(interval([4.0]).low) and interval([4.0]).n == 1
    assert interval([0.1] * 3) == (0.1, 0.1, 0.1, 0.0, 3)


@pytest.mark.parametrize(
    ("values", "word"),
    [([3, 2, 4], "ahead"), ([-3, -2, -4], "behind"), ([1, -1, 2], "undecided"), ([5], "undecided")],
)
def test_a_difference_is_called_by_its_interval(values, word):
    assert interval(values).word == word


def test_factors_are_averaged_by_their_logarithm():
    by_hand = geometric([1, 10, 100])  # logarithms to base 10: 0, 1, 2, with the deviation 1
    assert by_hand.mean == pytest.approx(10) and by_hand.std == pytest.approx(10) and by_hand.n == 3
    assert by_hand.high == pytest.approx(10 ** (1 + 4.302653 / math.sqrt(3)), rel=1e-6)
    assert by_hand.mean**2 == pytest.approx(by_hand.low * by_hand.high)
    values = [30.2, 640.0, 12.9, 88.1]
    assert geometric(values).mean == pytest.approx(stats.gmean(values), rel=1e-12)


def test_stored_glues_means_and_intervals(shell, tmp_path):
    write_evidence(tmp_path, ROWS)
    with capture_output() as captured:
        numbers = stored(CHAPTER, "glyphs", root=tmp_path)
    texts = glued(captured)
    assert captured.stdout == "" and not numbers.is_default
    assert texts["accuracy"] == "81.0" and texts["accuracy.n"] == "3" and texts["accuracy.std"] == "1.0"
    assert float(texts["accuracy.low"]) == pytest.approx(81 - 4.302653 / math.sqrt(3), rel=1e-6)
    assert texts["curve@8"] == "9.0" and texts["curve@0.5"] == "1.5" and "curve.high@0.5" in texts
    assert float(texts["curve.geometric@8"]) == pytest.approx(stats.gmean([8, 9, 10]), rel=1e-12)

    assert shown(texts["stored.dataset"], "s") == "glyphs"


def test_a_number_that_is_not_always_above_0_has_no_geometric_mean(shell, tmp_path):
    write_evidence(tmp_path, [("glyphs", seed, "gain", "", seed) for seed in range(3)])
    with capture_output() as captured:
        stored(CHAPTER, "glyphs", root=tmp_path)
    assert "gain" in glued(captured) and "gain.geometric" not in glued(captured)


def test_stored_gives_seeds_and_sweeps(tmp_path):
    write_evidence(tmp_path, ROWS)
    numbers = stored(CHAPTER, "glyphs", root=tmp_path)
    assert numbers.values("accuracy").to_dict() == {0: 80, 1: 81, 2: 82}
    assert numbers.mean("curve", at=8) == 9
    assert numbers.sweep("curve")["at"].tolist() == [0.5, 8]
    assert numbers.sweep("curve")[["mean", "n"]].values.tolist() == [[1.5, 3], [9, 3]]
    assert numbers.sweep("curve", log=True)["mean"][1] == pytest.approx(720 ** (1 / 3))  # 8, 9, 10
    assert numbers.span("curve", 8) == "8 to 10" and numbers.span("accuracy") == "80 to 82"
    with pytest.raises(EvidenceError, match="No 'accuracy@4' .* accuracy, curve"):
        numbers.mean("accuracy", at=4)
    with pytest.raises(EvidenceError, match="No 'speed"):
        numbers.sweep("speed")


def test_differences_are_paired_by_seed(tmp_path):
    first = [("glyphs", seed, "score", 0, 10.0**seed) for seed in range(3)]
    second = [("glyphs", seed, "score", 1, 10.0**seed - seed) for seed in reversed(range(3))]
    write_evidence(tmp_path, first + second)
    found = stored(CHAPTER, "glyphs", root=tmp_path).difference("score", 0, 1)
    assert found == pytest.approx(interval([0, 1, 2]))  # unpaired, they would differ by 100 and more


def test_the_span_of_equal_values_is_one_number(tmp_path):
    write_evidence(tmp_path, [("glyphs", seed, "rate", "", 0.05) for seed in range(3)])
    assert stored(CHAPTER, "glyphs", root=tmp_path).span("rate") == "0.05"


def test_stored_stands_in_with_the_default_and_says_so(tmp_path, capsys):
    write_evidence(tmp_path, ROWS)
    numbers = stored(CHAPTER, "digits", root=tmp_path)
    assert numbers.dataset == "glyphs" and numbers.is_default and numbers.mean("accuracy") == 81
    assert capsys.readouterr().out.startswith("No repeated runs on digits")


def test_stored_without_a_file_is_empty_and_says_so(tmp_path, capsys):
    numbers = stored(CHAPTER, "glyphs", root=tmp_path)
    assert "no repeated runs yet" in capsys.readouterr().out
    with pytest.raises(EvidenceError, match=f"make evidence CHAPTER={CHAPTER}"):
        numbers.mean("accuracy")


def test_every_stored_evidence_matches_its_code():
    pinned = f"torch=={fingerprint.torch_version()}"
    if pinned not in (recording.ROOT / "requirements.txt").read_text().splitlines():
        pytest.skip(f"the hash holds torch's version, and {pinned} is not the book's")
    changed = [chapter for chapter in chapters(recording.ROOT) if not fingerprint.matches(chapter)]
    assert not changed, f"the code behind {changed} has changed: run make evidence-check"
