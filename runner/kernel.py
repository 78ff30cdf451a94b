"""The kernel that chapters run in: the Python of this environment, whatever else is called `python3`."""

import hashlib
import json
import os
import sys
from pathlib import Path

from utils.evidence.store import replace


def environment(root):
    """Give the environment variables under which the kernel `python3` is the Python that runs this.

    On many machines somebody has registered another Python under that name, which lacks the book's packages.

    Args:
        root: the book's folder; the kernel's description is written below its `.cache`.

    Returns:
        A dictionary to add to the environment of what starts the kernel.
    """
    name = hashlib.sha256(sys.executable.encode()).hexdigest()[:8]  # two environments may share a checkout
    folder = Path(root).resolve() / ".cache" / f"jupyter-{name}"
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    description = {"argv": command, "display_name": "Python 3", "language": "python"}
    replace(folder / "kernels" / "python3" / "kernel.json", json.dumps(description))
    others = [path for path in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if path]
    return {"JUPYTER_PATH": os.pathsep.join(dict.fromkeys([str(folder), *others]))}
