"""The frame that every chapter keeps, read from the stored notebooks."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CLOSING = ["What this costs", "Where it breaks", "Does it hold?", "Summary", "Exercises", "References"]
UNITS = r"%|percent\b|points?\b|×|x\b|times\b|-fold|[mµn]?s\b|seconds?\b|[kMGT]i?B\b|bytes\b|[GT]FLOP|MACs\b"
TYPED = re.compile(rf"(?<![\w.@])\d[\d.,]*\s*(?:{UNITS})")
HIDDEN = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]+\$|\{glue:text\}`[^`]*`|(?<!\})`[^`]*`", re.S)
DRAWS = re.compile(r"plt\.subplots|plotting\.(?!use_style|log_scale|COLOURS|MARKERS)\w+")


def cells(path, kind):
    """The cells of one kind: a list of (source, metadata)."""
    stored = json.loads(path.read_text(encoding="utf8"))["cells"]
    return [("".join(cell["source"]), cell["metadata"]) for cell in stored if cell["cell_type"] == kind]


def tagged(path, tag):
    return [source for source, metadata in cells(path, "code") if tag in metadata.get("tags", [])]


def prose(path):
    return "\n\n".join(source for source, _ in cells(path, "markdown"))


def typed_results(text):
    """Sentences (or rows of a table) with a number and a unit that neither compute it nor cite a source."""
    text = re.sub(
        r"^```\{(?:exercise|solution)\}(.*?)^```$", r"\1", text, flags=re.M | re.S
    )  # prose, not code
    sentences = re.split(r"(?<=[.!?])\s+|\n\n|\|\s*\n", HIDDEN.sub(" ", text.replace("{cite}`", "{cite}")))
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
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
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
        kinds = [cell["cell_type"] for cell in json.loads(path.read_text(encoding="utf8"))["cells"]]
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
        assert [s.splitlines()[0] for s in measured if "**Predict" not in s] == []

    def test_size(self, path):
        code = cells(path, "code")
        assert len(code) + len(cells(path, "markdown")) <= 45
        assert sum(bool(DRAWS.search(source)) for source, _ in code) <= 12
        assert [source.splitlines()[0] for source, _ in code if len(source.splitlines()) > 20] == []

    def test_every_figure_has_alt_text(self, path):
        for source, metadata in cells(path, "code"):
            if DRAWS.search(source):
                alt = metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                assert len(alt) > 40, f"no alt text for {source[:80]}"

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
        assert typed_results(prose(path)) == []
