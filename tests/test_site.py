"""The built pages in a real browser, and their links; every check is shown to find a page that breaks it."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from book import check_pages
from tests.browser import EXCERPTS_ARE_IN, HITS_IN_VIEW, PREFIX, browser, look, opened, served, watch

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
PAGES = sorted(f"{name}.html" for name in check_pages.expected_pages(ROOT / "_toc.yml"))
PAGES += ["search.html", "genindex.html", "404.html"]
FIRST_VIEW = 1_000_000  # bytes
RAW_TEX = re.compile(r"\\[a-z(\[]")
NO_PAGES = "there are no pages under _build/html, or older ones than {}; `make book` makes them"
SOUND = """<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,">
<style>body {{ background: #fff; color: #111 }} {style}</style></head>
<body><main><h1>A page</h1><article>{body}</article></main></body></html>"""
# What breaks a page, and where that shows.
BROKEN = {
    "script error": ("<script>nothing()</script>", "", "faults"),
    "console error": ("<script>console.error('on purpose')</script>", "", "faults"),
    "missing file": ('<img src="missing.png" alt="A picture">', "", "faults"),
    "outside request": ('<img src="https://example.org/a.png" alt="A picture">', "", "faults"),
    "sideways": ('<div style="width: 500px">wide</div>', "", "sideways"),
    "narrow claims": (
        '<table class="claims"><tbody><tr><td>holds</td><th scope="row">A sentence</th></tr></tbody></table>',
        "",
        "unreadable",
    ),
    "cut table": (
        "<div><table><tbody><tr><td>A cell</td></tr></tbody></table></div>",
        "article {{ overflow: hidden }} table {{ width: 900px }}",
        "unreadable",
    ),
    "image without text": ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "", "light"),
    "list without entries": ('<div role="list"><div role="note">A book</div></div>', "", "light"),
    "faint": ("<p>faint</p>", "[data-theme=light] p, html:not([data-theme]) p {{ color: #ccc }}", "light"),
    "faint in the dark": ("<p>faint</p>", "[data-theme=dark] p {{ color: #ddd }}", "dark"),
}


@pytest.fixture(scope="module")
def running():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def site():
    """The address of the book, as it lies on its host."""
    search = HTML / "searchindex.js"  # Sphinx writes it last
    sources = [ROOT / "_toc.yml", ROOT / "_config.yml", *(ROOT / "notebooks").glob("*.ipynb")]
    sources += [file for ending in ("md", "css", "js", "py") for file in (ROOT / "book").rglob(f"*.{ending}")]
    newest = max(sources, key=lambda file: file.stat().st_mtime)
    if not search.is_file() or search.stat().st_mtime < newest.stat().st_mtime:
        pytest.skip(NO_PAGES.format(newest.relative_to(ROOT)))
    with served(HTML) as root:
        yield root


def findings(seen) -> dict[str, list]:
    """All that is wrong with a page, by kind; only kinds with something in them."""
    wide = [f"{width} px: {pixels}" for width, pixels in seen.sideways.items() if pixels > 0]
    heavy = [seen.bytes] if seen.bytes > FIRST_VIEW else []
    found = {"faults": seen.faults, "sideways": wide, "heavy": heavy, "unreadable": seen.unreadable}
    return {kind: items for kind, items in (found | seen.violations).items() if items}


@pytest.mark.parametrize("name", PAGES)
def test_page_in_a_browser(site, running, name):
    seen = look(running, site, name)
    assert findings(seen) == {}
    assert seen.claims > 0 or not name.startswith("notebooks/"), "no claims, or not shown by claims.show"


def write_page(folder, body="", style="", name="page.html"):
    (folder / name).write_text(SOUND.format(body=body, style=style.format()))


@pytest.mark.parametrize("fault", [None, *BROKEN])
def test_a_broken_page_is_found(running, tmp_path, fault):
    body, style, kind = BROKEN.get(fault, ("<p>Sound.</p>", "", None))
    write_page(tmp_path, body, style)
    with served(tmp_path) as root:
        found = findings(look(running, root, "page.html"))
    assert set(found) == ({kind} if kind else set()), found


def test_a_heavy_page_is_found(running, tmp_path):
    (tmp_path / "heavy.js").write_text("//" + "x" * FIRST_VIEW)
    write_page(tmp_path, '<script src="heavy.js"></script>')
    with served(tmp_path) as root:
        assert set(findings(look(running, root, "page.html"))) == {"heavy"}


def test_a_search_leads_to_the_words(site, running):
    page = opened(running)
    traffic = watch(page, site)
    page.goto(f"{site}search.html?q=latency")
    hit = page.locator('#search-results li a[href*="01_background.html"]:not([href*="#"])').first
    page.wait_for_function(EXCERPTS_ARE_IN)  # or the click cuts off what is still being fetched
    excerpts = page.locator("#search-results").inner_text()
    hit.click()
    page.wait_for_url("**/01_background.html*")
    page.wait_for_function(HITS_IN_VIEW)  # a word is marked and scrolled to, or this times out
    assert not RAW_TEX.search(excerpts), "raw TeX in an excerpt"
    assert traffic.faults() == []
    page.context.close()


@pytest.mark.parametrize("excerpt", [r"the step \(w\)", r"for \beta_1 and", r"\[x = 1\]"])
def test_raw_tex_is_found(excerpt):
    assert RAW_TEX.search(excerpt) and not RAW_TEX.search(excerpt.replace("\\", ""))


def test_words_out_of_view_do_not_count(running, tmp_path):
    word = '<p><span class="highlighted">word</span></p>'
    write_page(tmp_path, '<div style="height: 5000px"></div>' + word, name="below.html")
    write_page(tmp_path, word, name="here.html")
    page = opened(running)
    with served(tmp_path) as root:
        counts = [
            page.goto(root + name) and page.evaluate(HITS_IN_VIEW) for name in ("below.html", "here.html")
        ]
    page.context.close()
    assert counts == [0, 1]


def broken_links(folder: Path) -> list[str]:
    """Links and anchors within a folder of pages that lead nowhere: "page: address"."""
    texts = {
        file: file.read_text(encoding="utf8")
        for file in folder.rglob("*.html")
        if "_static" not in file.parts
    }
    anchors = {file: set(re.findall(r'\sid="([^"]+)"', text)) for file, text in texts.items()}
    found = []
    for file, text in texts.items():
        for address in re.findall(r'\s(?:href|src)="([^"]*)"', text):
            link = urlsplit(address.replace("&amp;", "&"))
            if link.scheme or link.netloc:
                continue
            path = unquote(link.path)
            start = folder if path.startswith(PREFIX) else file.parent
            target = (start / path.removeprefix(PREFIX)).resolve() if path else file
            target = target / "index.html" if target.is_dir() else target
            known = anchors.get(target)
            anchor = unquote(link.fragment)
            if not target.is_file() or (anchor and known is not None and anchor not in known):
                found.append(f"{file.relative_to(folder)}: {address}")
    return sorted(set(found))


def test_every_link_within_the_book_resolves(site):
    assert broken_links(HTML.resolve()) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    links = '<a href="gone.html">1</a> <a href="#gone">2</a> <a href="b.html#gone">3</a> <img src="gone.png">'
    links += ' <a href="b.html#here">4</a> <a href="https://example.org/#x">5</a> <a href="#">6</a>'
    (tmp_path / "a.html").write_text(links)
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    found = [line.removeprefix("a.html: ") for line in broken_links(tmp_path.resolve())]
    assert found == ["#gone", "b.html#gone", "gone.html", "gone.png"]


def is_described(text):
    """Whether a page says what it is, in a sentence and with a picture, where a link to it is shared."""
    described = re.search(r"<meta[^>]*og:description[^>]*>", text)
    return bool(described) and len(described[0]) > 100 and "_static/preview.png" in text


def test_pages_say_what_they_are_where_they_are_shared(site):
    pages = PAGES[: -len(("search", "genindex", "404"))]
    assert [name for name in pages if not is_described((HTML / name).read_text(encoding="utf8"))] == []
    assert (HTML / "_static" / "preview.png").is_file()


def test_a_page_that_says_nothing_of_itself_is_found():
    picture = '<meta property="og:image" content="https://example.org/_static/preview.png">'
    sentence = f'<meta property="og:description" content="{"A sentence. " * 9}">'
    assert is_described(sentence + picture)
    assert not any(is_described(text) for text in (picture, sentence, picture + sentence[:60] + '">'))
