"""The frame that every chapter keeps, read from the stored notebooks."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from tests import rhythm

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
OLD_RHYTHM = {"04_quantization"}  # until its second edition
CLOSING = ["What this costs", "Where it breaks", "Does it hold?", "Summary", "Exercises", "References"]
UNITS = r"%|percent\b|points?\b|×|x\b|times\b|-fold|[mµn]?s\b|seconds?\b|[kMGT]i?B\b|bytes\b|[GT]FLOP|MACs\b"
TYPED = re.compile(rf"(?<![\w.@])\d[\d.,]*\s*(?:{UNITS})")
HIDDEN = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]+\$|\{(?:glue:text|term)\}`[^`]*`|(?<!\})`[^`]*`", re.S)
DRAWS = re.compile(r"plt\.subplots|plotting\.(?!use_style|log_scale|class_labels|COLOURS|MARKERS)\w+")


def cells(path, kind):
    """The cells of one kind: a list of (source, metadata)."""
    stored = json.loads(path.read_text(encoding="utf8"))["cells"]
    return [("".join(cell["source"]), cell["metadata"]) for cell in stored if cell["cell_type"] == kind]


def every_cell(path):
    return json.loads(path.read_text(encoding="utf8"))["cells"]


def tagged(path, tag):
    return [source for source, metadata in cells(path, "code") if tag in metadata.get("tags", [])]


def prose(path):
    return "\n\n".join(source for source, _ in cells(path, "markdown"))


def only_imports(source):
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(source).body)


def typed_results(text):
    """Sentences (or rows of a table) with a number and a unit that neither compute it nor cite a source."""
    text = re.sub(
        r"^```\{(?:exercise|solution)\}(.*?)^```$", r"\1", text, flags=re.M | re.S
    )  # prose, not code
    text = re.sub(r"\{cite(?::\w)?\}`[^`]*`", "{cite}", text)
    sentences = re.split(r"(?<=[.!?])\s+|\n\n|\|\s*\n", HIDDEN.sub(" ", text))
    return [sentence for sentence in sentences if TYPED.search(sentence) and "{cite}" not in sentence]


def recorded(path):
    """Names given to `record`, as patterns: an f-string stands for whatever it may become."""
    found = set()
    for source, _ in cells(path, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "record":
                parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else [node.args[0]]
                found.add(
                    "".join(re.escape(p.value) if isinstance(p, ast.Constant) else r"\w+" for p in parts)
                )
    return found


def used(path):
    """Names that prose shows, claims weigh or figures draw."""
    names = {re.split(r"[@.:]", key)[0] for key in re.findall(r"\{glue:text\}`([^`]+)`", prose(path))}
    claims = tomllib.loads((ROOT / "book" / "claims.toml").read_text(encoding="utf8")).get("claim", [])
    for claim in claims:
        names |= set(re.findall(r"[A-Za-z_]\w*", claim["margin"])) if claim["chapter"] == path.stem else set()
    for source, _ in cells(path, "code"):
        names |= set(re.findall(r"evidence\.\w+\(\"(\w+)\"", source))
        prefixes = re.findall(r"evidence\.\w+\(f\"(\w+)\{", source)
        names |= {name.replace("\\", "") for name in recorded(path) for p in prefixes if name.startswith(p)}
        names |= {f"{prefix}x" for prefix in prefixes}  # what an f-string of `record` may become as well
    return names


@pytest.mark.parametrize(
    "text",
    [
        "It is 3.2 points better.",
        "Half goes for 5 %.",
        "It runs 2× faster.",
        "It takes 14 ms.",
        "A rule {cite}`a2015` says so. It gains 3 points with `rule`.",
        "| a | 30 MB |\n",
        "```{exercise} A\nB.\n```\n\n```{exercise} C\nA phone has 8 GB.\n```",
    ],
)
def test_typed_results_are_found(text):
    assert typed_results(text)


@pytest.mark.parametrize(
    "text",
    [
        "It is {glue:text}`gain:.1f` points better.",
        "A phone with $8$ GB.",
        "The paper reports 15 times {cite}`jouppi2017datacenter`.",
        "Width 14 and `3 ms` of code.",
        "```python\nx = 3 ms\n```",
    ],
)
def test_other_numbers_are_not(text):
    assert not typed_results(text)


def test_there_is_a_chapter():
    assert CHAPTERS


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestFrame:
    def test_no_outputs_are_stored(self, path):
        for cell in every_cell(path):
            assert not cell.get("outputs") and cell.get("execution_count") is None

    def test_setup_is_the_same_everywhere(self, path):
        assert len(tagged(path, "setup")) == 1
        assert tagged(path, "setup") == tagged(CHAPTERS[0], "setup")

    def test_parameters(self, path):
        (source,) = tagged(path, "parameters")
        values = {node.targets[0].id: ast.unparse(node.value) for node in ast.parse(source).body}
        assert values == {
            "SEED": "0",
            "DATASET": "os.environ.get('BOOK_DATASET', 'glyphs')",
            "FULL": "False",
        }
        kinds = [cell["cell_type"] for cell in every_cell(path)]
        assert kinds[0] == "markdown"
        first_two = [metadata.get("tags", []) for _, metadata in cells(path, "code")][:2]
        assert first_two == [["setup", "hide-input"], ["parameters"]]

    def test_sections_in_order(self, path):
        text = prose(path)
        assert re.match(r"# \S", text)
        assert 0 < text.index("**You will be able to**") < text.index("**Before you start.**")
        headings = re.findall(r"^## (.+)$", text, re.M)
        numbered = [heading for heading in headings if re.match(r"\d+\. ", heading)]
        assert [heading.split(".")[0] for heading in numbered] == [str(i + 1) for i in range(len(numbered))]
        assert headings == numbered + CLOSING
        assert 3 <= len(numbered) <= 7
        objectives = text.split("**You will be able to**")[1].split("**Before")[0]
        assert 3 <= len(re.findall(r"^- ", objectives, re.M)) <= 5

    def test_sections_ask_for_a_prediction(self, path):
        sections = re.split(r"^## ", prose(path), flags=re.M)[1:]
        measured = [s for s in sections if re.match(r"\d+\. ", s) and "{glue:text}" in s]
        assert measured
        asks = "**Predict" if path.stem in OLD_RHYTHM else "{predict}"
        assert [s.splitlines()[0] for s in measured if asks not in s] == []

    def test_size(self, path):
        """The setup cell is folded, and the same to the letter everywhere; it may be as long as it has to."""
        code = [source for source, data in cells(path, "code") if "setup" not in data.get("tags", [])]
        assert sum(bool(DRAWS.search(source)) for source in code) <= 12
        long = [source for source in code if len(source.splitlines()) > 20 and not only_imports(source)]
        assert [source.splitlines()[0] for source in long] == []

    def test_every_figure_has_alt_text(self, path):
        for source, metadata in cells(path, "code"):
            if DRAWS.search(source):
                alt = metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) > 40, f"no alt text for {source[:80]}"

    def test_every_figure_has_a_caption_and_a_name(self, path):
        shown = [metadata for source, metadata in cells(path, "code") if DRAWS.search(source)]
        figures = [metadata.get("mystnb", {}).get("figure", {}) for metadata in shown]
        assert [figure for figure in figures if len(figure.get("caption", "")) < 20] == []
        names = [figure["name"] for figure in figures]  # without one, a page gives the figure no number
        assert len(set(names)) == len(names)
        assert all(name.startswith(path.stem[3:].replace("_", "-")) for name in names)

    def test_every_drawn_figure_has_alt_text(self, path):
        executed = ROOT / "_build" / "executed" / "glyphs" / path.name
        if not executed.exists():
            pytest.skip("the chapter has not been executed here; make run does it")
        for cell in json.loads(executed.read_text(encoding="utf8"))["cells"]:
            drawn = [
                o for o in cell.get("outputs", []) if any(k.startswith("image/") for k in o.get("data", {}))
            ]
            assert not drawn or cell["metadata"].get("mystnb", {}).get("image", {}).get("alt"), cell["source"]

    def test_every_recorded_name_is_used(self, path):
        names = used(path)
        assert recorded(path)
        assert {p for p in recorded(path) if not any(re.fullmatch(p, name) for name in names)} == set()

    def test_no_result_is_typed(self, path):
        texts = [cell for cell in every_cell(path) if cell["cell_type"] == "markdown"]
        assert typed_results("\n\n".join(rhythm.without_settings(cell) for cell in texts)) == []
        assert rhythm.idle_settings(texts) == []


NEW_RHYTHM = [path for path in CHAPTERS if path.stem not in OLD_RHYTHM]


def test_the_exceptions_are_chapters():
    assert {path.stem for path in CHAPTERS} >= OLD_RHYTHM


@pytest.mark.parametrize("path", NEW_RHYTHM, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "check",
    [
        rhythm.records_in_the_open,
        rhythm.long_runs,
        rhythm.long_texts,
        rhythm.open_predictions,
        rhythm.long_lines,
    ],
    ids=lambda check: check.__name__,
)
def test_rhythm(path, check):
    assert check(every_cell(path)) == []


def cell(kind, *lines, **metadata):
    return {"cell_type": kind, "source": [f"{line}\n" for line in lines], "metadata": metadata}


QUESTION = cell(
    "markdown", "One.", "", ":::{predict}", ":unit: %", "How many?", "", "**Two** of them.", ":::"
)


def test_records_are_folded():
    folded = cell("code", "x = 1", 'record("x", x)', tags=["hide-input"])
    opened = cell("code", "x = 1", 'if x:\n    record("x", x)', tags=["figure"])
    assert rhythm.records_in_the_open([folded, cell("code", "x = 1  # no record(x)"), QUESTION]) == []
    assert rhythm.records_in_the_open([folded, opened]) == ["x = 1"]


def test_code_cells_in_a_row_are_counted():
    code = [cell("code", f"x = {i}") for i in range(4)]
    assert rhythm.long_runs([*code[:2], QUESTION, *code[2:]]) == []
    assert rhythm.long_runs([QUESTION, *code]) == ["x = 2"]


def test_words_are_those_that_are_read():
    assert (
        rhythm.words("It is {glue:text}`gain:.1f` points {cite}`a2020b,c2021d`, mean-field *or* 2,048.") == 7
    )


@pytest.mark.parametrize("between", [["| a | b |", "|---|---|"], ["$$", "x = 1 .", "$$"], ["![alt](a.svg)"]])
def test_a_long_text_needs_a_break(between):
    text = [cell("markdown", "word " * 100, *middle, "word " * 100) for middle in ([], between)]
    assert len(rhythm.long_texts(text[:1])) == 1 and rhythm.long_texts(text[1:]) == []
    assert (
        len(rhythm.long_texts([cell("markdown", "word " * 100), cell("markdown", "## More", "word " * 100)]))
        == 1
    )
    assert (
        rhythm.long_texts(
            [cell("markdown", "word " * 180), cell("code", "x"), cell("markdown", "word " * 180)]
        )
        == []
    )


def test_a_directive_is_a_text_of_its_own():
    exercise = ["```{exercise} A name", ":label: a", "word " * 100, "```"]
    assert rhythm.long_texts([cell("markdown", "word " * 100, *exercise, *exercise)]) == []
    assert len(rhythm.long_texts([cell("markdown", *exercise[:2], "word " * 190, "```")])) == 1


@pytest.mark.parametrize(
    "lines",
    [
        ["**Predict:** how many?"],
        [":::{predict}", "How many?", "", "Two.", ":::"],
        [":::{predict}", ":unit: %", "", "**Two.**", ":::"],
        ["```{predict}", "How many?", "```"],
    ],
)
def test_a_prediction_needs_both_parts(lines):
    assert rhythm.open_predictions([QUESTION]) == []
    assert len(rhythm.open_predictions([QUESTION, cell("markdown", *lines)])) == 1


def test_long_lines_are_found():
    setup = cell("code", "x" * 90, tags=["setup"])
    assert rhythm.long_lines([cell("code", "x" * 79), cell("markdown", "x" * 200), setup]) == []
    assert rhythm.long_lines([cell("code", "y", "x" * 80)]) == ["x" * 80]


def test_settings_are_no_results():
    text = cell("markdown", "With 90 % of them it is 3 points better.", settings=["90 %"])
    assert typed_results(rhythm.without_settings(text)) and rhythm.idle_settings([text]) == []
    assert not typed_results(rhythm.without_settings(text | {"metadata": {"settings": ["90 %", "3 points"]}}))
    assert rhythm.idle_settings([text | {"metadata": {"settings": ["8 GB"]}}]) == ["8 GB"]
