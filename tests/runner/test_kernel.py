"""Beside a kernel of the same name that cannot start, as on shared machines."""

import json
import os
import sys

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from runner import kernel


@pytest.fixture
def other_python(tmp_path, monkeypatch):
    """A `python3` that somebody has registered; it ends as soon as it starts. Gives its folder."""
    folder = tmp_path / "hub"
    (folder / "kernels" / "python3").mkdir(parents=True)
    description = {"argv": ["false", "{connection_file}"], "display_name": "Hub", "language": "python"}
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(description))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    return folder


def test_python3_is_the_python_that_asks(tmp_path, other_python, monkeypatch):
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "false"
    found = kernel.environment(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", found["JUPYTER_PATH"])
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == sys.executable
    assert found["JUPYTER_PATH"].split(os.pathsep)[1:] == [str(other_python)]  # other kernels stay
    assert kernel.environment(tmp_path) == found  # also where it is set already


def test_two_environments_keep_apart(tmp_path, monkeypatch):
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    first = kernel.environment(tmp_path)
    monkeypatch.setattr(sys, "executable", "/another/bin/python")
    assert kernel.environment(tmp_path) != first and first["JUPYTER_PATH"].startswith(str(tmp_path))
