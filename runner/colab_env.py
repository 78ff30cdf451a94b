"""An environment with the Python and the versions of Colab's runtime, for `runner.colab_run`.

`runner/colab_runtime.txt` is the list of what Colab holds. The environment has what the chapters import of it
and what that needs, in the versions of the list, and an empty `google.colab`, imported when Python starts.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from utils.evidence.store import ROOT, replace

RUNTIME = Path(__file__).with_name("colab_runtime.txt")
NEEDED = [
    "torch",
    "torchvision",
    "torchao",
    "numpy",
    "pandas",
    "matplotlib",
    "scipy",
    "scikit-learn",
    "safetensors",
    "tqdm",
    "filelock",
    "pillow",
    "jinja2",
    "ipython",
    "ipykernel",
    "ipywidgets",
    "matplotlib-inline",
    "protobuf",
    "flatbuffers",
    "ml_dtypes",
    "typing_extensions",
    "sympy",
    "networkx",
    "pip",
    "setuptools",
    "pytest",
]
UNRESOLVED = {
    "nvidia-nccl-cu13",
    "python-apt",
    "dbus-python",
}  # of the system, or not what torch's wheel asks for
LISTING = (
    "import importlib.metadata as m, json; "
    "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
)


class ColabError(RuntimeError):
    """There is no Python as Colab has it, or the environment cannot be made."""


def runtime(file=RUNTIME):
    """Read the list: the date of the runtime, its Python, and a dictionary of names to versions."""
    text = file.read_text(encoding="utf-8")
    date, python = re.search(r"of (\d{4}-\d\d-\d\d) .*Python (\d+\.\d+)", text).groups()
    return date, python, dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


def versions(python):
    """Give the packages that a Python has installed: a dictionary of names, lower case, to versions."""
    done = subprocess.run([python, "-c", LISTING], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def find_python(version):
    """Give the path of a Python of that version: `COLAB_PYTHON`, or `pythonX.Y` on the path; None without."""
    named = os.environ.get("COLAB_PYTHON") or f"python{version}"
    found = shutil.which(named)
    return found if found and _has_version(found, version) else None


def _has_version(python, version):
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == version


def make(root=ROOT):
    """Make the environment where it is not there, and take out what an earlier run added.

    Args:
        root: the book's folder; the environment lies below its `.cache`.

    Returns:
        The path of the environment's Python, and what it has installed.

    Raises:
        ColabError: if there is no Python of Colab's version, or pip fails.
    """
    folder = Path(root) / ".cache" / "colab-env"
    python, made = folder / "bin" / "python", folder / "made.json"
    if not made.exists():
        _install(folder, python)
        replace(made, json.dumps(versions(python), indent=1, sort_keys=True))
    base = json.loads(made.read_text(encoding="utf-8"))
    found = versions(python)
    added = sorted(found.keys() - base.keys())
    if added:
        _pip(python, "uninstall", "-q", "-y", *added)
        found = versions(python)
    if found != base:
        raise ColabError(f"{folder} is not as it was made: remove it, and it is made anew.")
    return python, base


def _install(folder, python):
    """Make the environment from the list, with the stub of `google.colab`."""
    _, version, packages = runtime()
    started = find_python(version)
    if started is None:
        raise ColabError(
            f"Colab has Python {version}, and there is none: install it, or name it in COLAB_PYTHON."
        )
    print(f"Making an environment with Colab's versions in {folder}; this takes some minutes.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([started, "-m", "venv", folder], check=True)
    listed = {name.lower().replace("_", "-"): pin for name, pin in packages.items() if name not in UNRESOLVED}
    limits = folder / "listed.txt"
    limits.write_text("".join(f"{name}=={pin}\n" for name, pin in listed.items()), encoding="utf-8")
    _pip(python, "install", "-q", *NEEDED, "-c", limits)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "google" / "colab").mkdir(parents=True, exist_ok=True)
    (site / "google" / "colab" / "__init__.py").touch()
    (site / "google_colab.pth").write_text("import google.colab\n", encoding="utf-8")


def _pip(python, *arguments):
    command = [python, "-m", "pip", *arguments, "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ColabError(f"pip {arguments[0]} failed: {done.stderr.strip()[-1000:]}")
