"""What the files of the repository have to agree on: where it lives, its versions, tests, workflow."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlparse

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
REPOSITORY = CONFIG["repository"]
BASE = CONFIG["html"]["baseurl"]
GITHUB = re.compile(r"https?://(?:www\.)?github\.com/[\w.-]+/[\w-]+(?:\.[\w-]+)*")
PAGES = re.compile(r"https?://[\w-]+\.github\.io/[\w./#-]*")
COLAB = re.compile(r"https?://colab\.research\.google\.com/[^\s\"')>\\]+")
CLONE = re.compile(r"git clone (?:-\S+ |--branch \S+ )*(https?://[^\s\"'`)\\]+)")
# Here every link to GitHub is one to this book; pages elsewhere may link to other projects too.
OWN = ["_config.yml", "CITATION.cff", "CONTRIBUTING.md", "README.md", "book/intro.md", "book/faq.md"]


def texts() -> dict[str, str]:
    """Every text file that is in git or about to be: path from the root, text."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this copy of the book is no git checkout")
    found = {}
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file():
            data = path.read_bytes()
            if b"\0" not in data:
                found[name] = data.decode("utf8")
    return found


def setup_cells() -> dict[str, str]:
    """The cell tagged `setup` of each notebook: path, source."""
    cells = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
            if "setup" in cell["metadata"].get("tags", []):
                cells[path.name] = "".join(cell["source"])
    return cells


def location_faults(files: dict[str, str], own: set[str]) -> list[str]:
    """Links in `files` to another place than this book's; in those of `own`, each link to GitHub counts."""
    faults = set()
    for name, text in files.items():
        repositories = [url.removesuffix(".git") for url in CLONE.findall(text)]
        repositories += [url.removesuffix(".git") for url in GITHUB.findall(text)] if name in own else []
        faults |= {f"{name}: {url}" for url in repositories if url != REPOSITORY["url"]}
        pages = PAGES.findall(text) if name in own else []
        faults |= {f"{name}: {url}" for url in pages if not url.startswith(BASE)}
        prefix = f"{urlparse(REPOSITORY['url']).path.strip('/')}/blob/{REPOSITORY['branch']}/"
        for url in COLAB.findall(text):
            notebook = urlparse(url).path.removeprefix("/github/")
            if not notebook.startswith(prefix) or not (ROOT / notebook.removeprefix(prefix)).is_file():
                faults.add(f"{name}: {url}")
    return sorted(faults)


def test_location_is_the_one_of_the_configuration():
    files = {name: text for name, text in texts().items() if not name.startswith("tests/")}
    setup = {f"setup cell of {name}": text for name, text in setup_cells().items()}
    assert location_faults(files | setup, set(OWN) | set(setup)) == []


@pytest.mark.parametrize(
    "text",
    [
        "git clone https://github.com/other/book",
        "git clone --depth 1 https://github.com/other/book.git",
        "[run](https://colab.research.google.com/github/other/book/blob/main/notebooks/01_background.ipynb)",
        "![](https://github.com/other/book/actions/workflows/book.yml/badge.svg)",
        "[pages](https://other.github.io/book/)",
    ],
)
def test_another_location_is_found(text):
    assert len(location_faults({"README.md": text}, {"README.md"})) == 1


def test_configuration_agrees_with_itself():
    assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", REPOSITORY["url"])
    assert BASE.endswith("/")
    assert CONFIG["sphinx"]["config"]["notfound_urls_prefix"] == urlparse(BASE).path


def test_citation_agrees_with_the_configuration():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert citation["repository-code"] == REPOSITORY["url"]
    assert citation["url"] == BASE
    assert f"v{citation['version']}" == REPOSITORY["release"]


def test_setup_cells_name_the_release():
    for name, source in setup_cells().items():
        tags = set(re.findall(r"\bv\d+\.\d+\.\d+\b", source))
        assert tags <= {REPOSITORY["release"]}, name


def test_requirements_agree():
    """Colab's file may have older versions, which its packages accept, but nothing new to the book."""
    names = (ROOT / "requirements.txt").read_text() + (ROOT / "constraints.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", names, re.M))
    colab = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements-colab.txt").read_text(), re.M))
    assert colab and colab.keys() <= pins.keys()


def test_every_module_has_its_tests():
    """In the same place below `tests`: of `utils/data/glyphs.py` they are in `tests/data/test_glyphs.py`."""
    modules = [path.relative_to(ROOT / "utils") for path in sorted((ROOT / "utils").rglob("*.py"))]
    modules += [path.relative_to(ROOT) for path in sorted((ROOT / "runner").rglob("*.py"))]
    tests = [path.with_name(f"test_{path.name}") for path in modules if path.name != "__init__.py"]
    assert tests, "there are no modules: they have moved, and this test should follow"
    assert [str(path) for path in tests if not (ROOT / "tests" / path).is_file()] == []


def test_workflow_runs_what_a_person_runs():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf8"))
    triggers = workflow[True]  # YAML reads the key `on` as true
    assert {"push", "pull_request"} <= set(triggers)
    jobs = workflow["jobs"]
    assert [step["run"] for step in jobs["build"]["steps"] if "run" in step] == [".ci/run"]
    assert workflow["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert "refs/heads/main" in jobs["publish"]["if"]
    assert jobs["colab"]["permissions"] == {"contents": "write"}
    assert triggers["push"]["tags"] == ["v*"] and "refs/tags/v" in jobs["colab"]["if"]
    assert [step["run"] for step in jobs["colab"]["steps"] if "run" in step] == [".github/publish-colab"]
    uses = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action) for action in uses)
    for script in (".ci/run", ".github/publish-colab"):
        assert (ROOT / script).stat().st_mode & 0o111, f"{script} is not executable"


def test_no_path_or_index_of_one_machine():
    path = re.compile(r"(?<![\w.:/~<{$-])/(?:work|root|home|Users|opt|mnt|tmp)/\w")
    index = re.compile(r"https?://[\w.-]+/(?:simple|whl)\b|--(?:extra-)?index-url|--find-links")
    found = []
    for name, text in texts().items():
        if name != "tests/test_repository.py":  # the patterns themselves
            lines = text.splitlines()
            found += [f"{name}: {line[:100]}" for line in lines if path.search(line) or index.search(line)]
    assert found == []
