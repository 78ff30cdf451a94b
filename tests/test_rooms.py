"""The rooms of `utils`: who may import whom, and that importing anything does nothing else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {  # besides itself; what is not listed may not be imported
    "source": set(),
    "models": set(),
    "plotting": set(),
    "evidence": set(),
    "data": {"source"},
    "measuring": {"data"},
    "training": {"source", "data", "models", "measuring"},
    "files": {"measuring"},
}


def imported(path):
    """The rooms of `utils`, and `runner`, that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots; name the room"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, second, *_ = [*name.split("."), ""]
            found |= {second} if first == "utils" else {first} if first == "runner" else set()
    return found


def wrong_ways(files):
    """Pairs (file, room) where a file imports what its room may not."""
    found = []
    for path in files:
        room = path.relative_to(ROOT / "utils").parts[0].removesuffix(".py")
        if room != "__init__":
            found += [(path.name, other) for other in imported(path) - MAY_IMPORT[room] - {room}]
    return found


def test_rooms_import_downwards_only():
    files = sorted((ROOT / "utils").rglob("*.py"))
    assert {path.relative_to(ROOT / "utils").parts[0].removesuffix(".py") for path in files} == {
        "__init__",
        *MAY_IMPORT,
    }
    assert wrong_ways(files) == []


@pytest.mark.parametrize(
    "line",
    [
        "from utils.training import fit",
        "from utils import training",
        "import utils.training.loop",
        "def late():\n    from utils.training.loop import fit",
        "from runner import repeat",
    ],
)
def test_an_upward_import_is_found(tmp_path, monkeypatch, line):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "utils" / "data" / "new.py"
    file.parent.mkdir(parents=True)
    file.write_text("from utils.source import digest\n")
    assert wrong_ways([file]) == []
    file.write_text(line + "\n")
    assert len(wrong_ways([file])) == 1


@pytest.mark.parametrize("room", ["data", "evidence", "files", "measuring", "training"])
def test_a_door_says_what_it_exports(room):
    tree = ast.parse((ROOT / "utils" / room / "__init__.py").read_text(encoding="utf8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    (exported,) = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    assert {alias.name for node in imports for alias in node.names} == set(exported)
