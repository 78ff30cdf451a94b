"""The script that puts the Colab edition on its branch, with a bare repository as the remote."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".github" / "publish-colab"


def git(folder, *arguments):
    command = ["git", "-c", "user.name=N", "-c", "user.email=e@example.org", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def book(tmp_path):
    """A clone with one commit on its main branch, a remote, and an edition of two chapters."""
    folder, remote = tmp_path / "book", tmp_path / "remote.git"
    (folder / ".github").mkdir(parents=True)
    (folder / "_build" / "colab").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / ".github")
    (folder / ".gitignore").write_text("_build/\n")
    for name in ("01_one", "02_two"):
        (folder / "_build" / "colab" / f"{name}.ipynb").write_text("first")
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "remote", "add", "origin", str(remote))
    return folder, remote


def publish(folder):
    subprocess.run([folder / ".github" / "publish-colab"], check=True, capture_output=True)


def test_the_branch_holds_the_notebooks_at_its_root_and_nothing_else(book):
    folder, remote = book
    publish(folder)
    assert git(remote, "ls-tree", "-r", "--name-only", "colab").split() == ["01_one.ipynb", "02_two.ipynb"]
    assert (
        git(folder, "rev-parse", "--abbrev-ref", "HEAD") == "main" and git(folder, "status", "--short") == ""
    )


def test_the_next_release_adds_a_commit_and_removes_what_has_gone(book):
    folder, remote = book
    publish(folder)
    (folder / "_build" / "colab" / "02_two.ipynb").unlink()
    (folder / "_build" / "colab" / "01_one.ipynb").write_text("second")
    git(folder, "branch", "-D", "colab")  # a runner starts from a fresh clone
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    git(folder, "tag", "v2.0.0")
    publish(folder)
    assert git(remote, "ls-tree", "-r", "--name-only", "colab") == "01_one.ipynb"
    assert git(remote, "show", "colab:01_one.ipynb") == "second"
    assert git(remote, "log", "--format=%s", "colab").splitlines()[0] == "Edition for Colab of v2.0.0"
    assert git(remote, "rev-list", "--count", "colab") == "2"
