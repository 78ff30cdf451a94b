"""A kernel as in Colab: an empty folder, and a local clone in place of the book's address."""

import json
import os
import subprocess
import time
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from runner.colab import release


def clone(root, folder):
    """Put a bare clone of the book's last commit, tagged as the release, into `folder`; give git's settings.

    Returns:
        Environment variables that make git take the clone wherever it is given the repository's address.
    """
    url, tag = release(root)
    bare = Path(folder) / "book.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(root), str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "tag", "-f", tag], check=True, capture_output=True)
    return _git({f"url.file://{bare}.insteadOf": url})


def _git(settings):
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for place, (key, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{place}": key, f"GIT_CONFIG_VALUE_{place}": value}
    return found


def unreachable():
    """Give environment variables under which neither git nor pip reaches anything."""
    nowhere = "http://127.0.0.1:9"
    return _git({"http.proxy": nowhere}) | {
        "HTTPS_PROXY": nowhere,
        "HTTP_PROXY": nowhere,
        "ALL_PROXY": nowhere,
    }


class Session:
    """A kernel of the Colab-like environment that executes one notebook's cells in an empty folder."""

    def __init__(self, notebook, python, folder, settings):
        """Write the kernel's description; `settings` are added to the environment variables."""
        kernel = Path(folder) / "kernels" / "python3"
        kernel.mkdir(parents=True)
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        description = {"argv": command, "display_name": "Colab", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(description), encoding="utf-8")
        hidden = ("PYTHONPATH", "BOOK_DATASET", "BOOK_CACHE_DIR", "BOOK_NETWORKS_DIR", "VIRTUAL_ENV")
        self.variables = {name: value for name, value in os.environ.items() if name not in hidden} | settings
        self.variables["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or the debugger complains of frozen modules
        self.work = Path(folder) / "content"
        self.work.mkdir()
        self.notebook = notebook
        self.client = NotebookClient(notebook, timeout=None, kernel_name="python3")
        self.client.km = self.client.create_kernel_manager()
        self.client.km.kernel_spec_manager.kernel_dirs = [str(kernel.parent)]

    def __enter__(self):
        self.context = self.client.setup_kernel(env=self.variables, cwd=str(self.work))
        self.context.__enter__()
        return self

    def __exit__(self, *error):
        return self.context.__exit__(*error)

    def run(self, place):
        """Execute one cell; give its seconds, and its error in one sentence or ""."""
        start = time.monotonic()
        try:
            self.client.execute_cell(self.notebook.cells[place], place)
        except CellExecutionError as error:
            return time.monotonic() - start, f"{error.ename}: {error.evalue}"
        return time.monotonic() - start, ""
