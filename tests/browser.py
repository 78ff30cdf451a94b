"""Built pages as a browser shows them: a small server, Chromium, and what a page is looked at for."""

import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--mute-audio"]
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # an outside request fails at once
INSTALL = "there is no Chromium; `make browser` installs it (apt-get install chromium)"
PATIENCE = 180_000  # milliseconds: a busy machine gets its time, a quick one waits for nothing
PREFIX = "/lean-models/"  # where the book lies on its host; addresses on the not-found page begin with it


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder below PREFIX, with its 404.html for what is not there, and logs nothing."""

    protocol_version = "HTTP/1.1"  # one connection for many files

    def translate_path(self, path):
        if not path.startswith(PREFIX):
            return str(Path(self.directory, "not-there"))
        return super().translate_path("/" + path.removeprefix(PREFIX))

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory, "404.html")
        body = page.read_bytes() if page.is_file() else b"not found"
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder: Path):
    """Serve a folder on this machine while the block runs; gives the address of its root."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def browser():
    """Start Chromium while the block runs; the test is skipped where it is not installed."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip(INSTALL)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE)
        try:
            yield running
        finally:
            running.close()


@dataclass
class Traffic:
    """What a page asked for and complained about since it was watched."""

    root: str
    errors: list[str] = field(default_factory=list)
    requests: list = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    bytes: int = 0  # of all answers, as served: nothing is compressed here

    def faults(self) -> list[str]:
        """Errors of scripts, local requests that failed, and requests to anywhere else."""
        outside = [
            f"asks for {r.url}" for r in self.requests if not r.url.startswith((self.root, "data:", "blob:"))
        ]
        return [*self.errors, *self.failed, *outside]


def weigh(traffic: Traffic, response) -> None:
    """Add an answer to the traffic: its size, as the server gives it, or that it failed."""
    traffic.bytes += int(response.headers.get("content-length", 0))
    if response.status >= 400:
        traffic.failed.append(f"{response.status}: {response.url}")


def opened(running, **options) -> Page:
    """Open an empty page at 1280 px, with nothing cached, in a context of its own that takes `options`."""
    context = running.new_context(viewport={"width": 1280, "height": 900}, **options)
    context.set_default_timeout(PATIENCE)
    return context.new_page()


def watch(page: Page, root: str) -> Traffic:
    """Note from now on what `page` asks for; `root` is the address of the book's own files."""
    traffic = Traffic(root)
    page.on("pageerror", lambda error: traffic.errors.append(f"script error: {error}"))
    page.on("console", lambda line: line.type == "error" and traffic.errors.append(f"console: {line.text}"))
    page.on("request", lambda request: traffic.requests.append(request))
    page.on("requestfailed", lambda request: traffic.failed.append(f"failed: {request.url}"))
    page.on("response", lambda response: weigh(traffic, response))
    return traffic


def sideways(page: Page) -> int:
    """How many pixels the page can be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def violations(page: Page, **options) -> list[str]:
    """axe-core's violations: rule, weight, how many and the first place; `options` are those of `axe.run`."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [f"{v['id']} ({v['impact']}): {len(v['nodes'])}, first {v['nodes'][0]['target']}" for v in found]


# Of a thousand coloured words of code, axe-core needs to see one of each colour.
FEWER_WORDS = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll("pre span")) {
        const box = word.closest("div.cell_output") ? "output" : "input";
        const kind = box + word.className;
        if (seen.has(kind)) word.replaceWith(word.textContent);
        seen.add(kind);
    }
}"""
# What cannot be read on a phone: claims that leave the screen, other tables that are cut and do not scroll.
UNREADABLE = """() => {
    const found = [], wide = document.documentElement.clientWidth;
    const small = (cell) => parseFloat(getComputedStyle(cell).fontSize) < 11;
    const name = (cell) => cell.textContent.trim().slice(0, 30);
    for (const cell of document.querySelectorAll("table.claims tbody :is(td, th)")) {
        const box = cell.getBoundingClientRect();
        if (box.left < 0 || box.right > wide || box.width < 0.75 * wide || small(cell))
            found.push("claims: " + name(cell));
    }
    for (const table of document.querySelectorAll("article table:not(.claims)")) {
        let box = table;
        while (box && !["auto", "scroll"].includes(getComputedStyle(box).overflowX)) box = box.parentElement;
        const cut = table.getBoundingClientRect().right > wide && !box;
        const first = [...table.querySelectorAll("td, th")].find((cell) => name(cell));
        if (first && (cut || small(first))) found.push("table: " + name(first));
    }
    return found;
}"""

# The theme gives a tab stop to what scrolls, 300 ms after the last change of width. Its timer is due before
# this one, so it has run by then, however busy the machine is.
TAB_STOPS = """() => new Promise((done) => {
    window.dispatchEvent(new Event("resize"));
    setTimeout(done, 400);
})"""


@dataclass
class Look:
    """What was seen of a page: faults in words, bytes of its first view, and violations in each theme."""

    faults: list[str]
    bytes: int
    sideways: dict[int, int]
    unreadable: list[str]
    violations: dict[str, list[str]]
    claims: int


def look(running, root: str, name: str) -> Look:
    """Open a page once, at 1280 px and with nothing cached, then narrow it, then darken it.

    Args:
        running: the browser.
        root: the address of the book.
        name: of the page's file, below `root`.
    """
    page = opened(running, color_scheme="light")
    traffic = watch(page, root)
    page.goto(root + name)
    page.wait_for_load_state("networkidle")
    weight, wide = traffic.bytes, {}
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        wide[width] = sideways(page)
    unreadable = page.evaluate(UNREADABLE)
    claims = page.locator("table.claims tbody tr").count()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate(TAB_STOPS)
    faults = traffic.faults()  # before axe-core, which asks for style sheets in ways of its own
    page.evaluate(FEWER_WORDS)
    page.add_style_tag(content="* { transition: none !important }")  # or axe-core would see colours fade over
    found = {"light": violations(page, rules={"label-content-name-mismatch": {"enabled": True}})}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    found["dark"] = violations(page, runOnly=["color-contrast"])  # no other rule depends on the theme
    page.context.close()
    return Look(faults, weight, wide, unreadable, found, claims)


# The search is over, and each page that was found has been fetched for its excerpt.
EXCERPTS_ARE_IN = """() =>
    document.querySelector("#search-results .search-summary")?.textContent.startsWith("Search finished") &&
    [...document.querySelectorAll("#search-results li")].every((hit) => hit.children.length > 1)"""
HITS_IN_VIEW = """() => [...document.querySelectorAll("article .highlighted")].filter((word) => {
    const box = word.getBoundingClientRect();
    return box.height && box.top >= 0 && box.bottom <= window.innerHeight;
}).length"""
