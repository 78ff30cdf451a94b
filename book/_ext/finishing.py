"""Finishes the built pages: what the theme leaves heavy, unreachable or unsaid is mended in its files."""

import re
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup
from docutils import nodes
from PIL import Image
from trimming import trim, words_of

# Scripts that no reader uses here; the search page alone keeps its own.
UNUSED = re.compile(r"scripts/fontawesome\.js|sphinx-thebe\.js|THEBE_JS_URL")
SEARCH = re.compile(r"searchtools\.js|language_data\.js|searchindex\.js")
# Names, brackets and spaces of code, which have the colour of the text around them.
PLAIN = ".highlight span.n, .highlight span.p, .highlight span.w"
WHITE = re.compile(r"\s+")
EDITION = "colab"  # the branch with the notebooks for Colab at its root


def description(doctree, limit: int = 200) -> str:
    """Take a page's first full sentence or sentences, to describe it where it is linked.

    Args:
        doctree: the page.
        limit: at most so many characters; what is cut ends in an ellipsis.
    """
    for paragraph in doctree.findall(nodes.paragraph):
        text = WHITE.sub(" ", paragraph.astext()).strip()
        if len(text) >= 60:
            return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0].rstrip(",.:;") + " …"
    return ""


def describe(app, pagename, templatename, context, doctree):
    """Say in a page's head what other sites show of it, and let its Colab button open that edition."""
    base, title = app.config.html_baseurl, context.get("title") or app.config.html_title
    properties = {"og:type": "article", "og:title": re.sub(r"<[^>]*>", "", title)}
    properties |= {"og:url": f"{base}{pagename}.html", "og:image": f"{base}_static/preview.png"}
    text = description(doctree) if doctree else ""
    tags = [f'<meta property="{name}" content="{escape(value)}" />' for name, value in properties.items()]
    if text:
        tags.append(f'<meta name="description" property="og:description" content="{escape(text)}" />')
    tags.append('<meta name="twitter:card" content="summary_large_image" />')
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if "colab" in button.get("url", ""):
                # Colab shows MyST as it is typed: each release puts an edition without it on a branch.
                button["url"] = re.sub(r"/blob/[^/]+/(?:.*/)?", f"/blob/{EDITION}/", button["url"])


def lighten(soup: BeautifulSoup, folder: Path, *, searches: bool) -> None:
    """Leave out unused scripts and spans, and let images say their size and wait until they are near.

    Args:
        soup: a page; changed in place.
        folder: the page's, to find images in.
        searches: whether this is the search page.
    """
    seen = set()
    for tag in soup.find_all(["script", "link"]):
        text = tag.get("src") or tag.get("href") or tag.string or ""
        if UNUSED.search(text) or (not searches and SEARCH.search(text)) or text in seen:
            tag.decompose()
        elif tag.name == "script":
            seen.add(text)
    for span in soup.select(PLAIN):
        span.unwrap()
    for image in soup.select("article img[src]")[1:]:
        image["loading"] = "lazy"
    for image in soup.select("img[src]"):
        size = image_size(folder / image["src"].split("?")[0])
        if size and not image.get("width") and not image.get("style"):
            image["width"], image["height"] = size


def image_size(file: Path) -> tuple[str, str] | None:
    """Read width and height of a PNG or SVG file, in pixels; None for others."""
    if file.suffix == ".png" and file.is_file():
        with Image.open(file) as picture:
            return str(picture.width), str(picture.height)
    data = file.read_bytes()[:2000] if file.is_file() else b""
    box = re.search(rb'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', data)
    return (str(round(float(box[1]))), str(round(float(box[2])))) if box else None


def open_up(soup: BeautifulSoup) -> None:
    """Let assistive programs find their way: roles and names that axe-core asks for.

    Args:
        soup: a page; changed in place.
    """
    for entry in soup.select('[role="doc-biblioentry"]'):
        entry["role"] = "listitem"
    for link in soup.select('[role="doc-backlink"]'):
        del link["role"]
    for header in soup.select("table th"):
        if not header.get_text(strip=True) and not header.find("img"):
            header.name = "td"  # the empty corner of a table is the header of nothing
    for box in soup.select("#pst-primary-sidebar"):
        box["role"], box["aria-label"] = "complementary", "The book"
    for element in soup.select("button.search-button-field, summary[aria-label]"):
        del element["aria-label"]  # its name is what it shows
    for section in soup.select("section#solution-content, section#exercise-content"):
        del section["id"]  # every solution has the same one
    for link in soup.select(".solution > .admonition-title a"):
        link.unwrap()  # the title opens the solution; a link in it would jump away


def finish(app, error):
    """Mend every page, then trim what all of them share."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = [file for file in out.rglob("*.html") if "_static" not in file.relative_to(out).parts]
    for file in pages:
        soup = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        lighten(soup, file.parent, searches=file.name == "search.html")
        open_up(soup)
        file.write_text(str(soup), encoding="utf-8")
    (out / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    for file in (out / "_static").rglob("*.map"):
        file.unlink()
    trim(out / "_static", words_of(out))


def setup(app):
    """Connect both steps; the last runs after every other extension has copied its files."""
    app.connect("html-page-context", describe, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
