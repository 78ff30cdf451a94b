"""Style sheets and icon fonts without what no page uses: the theme brings Bootstrap and 2,000 icons."""

import logging
import re
from pathlib import Path

from fontTools import subset

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table it cuts

CLASS = re.compile(r"\.(-?[A-Za-z_](?:[\w-]|\\.)*)")
ICON = re.compile(
    r"\\([0-9a-f]{4,5})|([\ue000-\uf8ff])"
)  # as an escape or as itself, in the private use area
NESTED = ("@media", "@supports", "@layer")


def rules(css: str) -> list[tuple[str, str | None]]:
    """Split a style sheet at its outermost braces.

    Returns:
        A list of (selector or at-rule, body); the body of a rule without one, as `@import`, is None.
    """
    found, start, depth, opened = [], 0, 0, 0
    for place in re.finditer(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|url\([^)"\']*\)|[{};]', css):
        mark = place[0]
        if mark == "{":
            depth += 1
            opened = place.start() if depth == 1 else opened
        elif mark == "}":
            depth -= 1
            if depth == 0:
                found.append((css[start:opened].strip(), css[opened + 1 : place.start()]))
                start = place.end()
        elif mark == ";" and depth == 0:
            found.append((css[start : place.start()].strip(), None))
            start = place.end()
    return found


def split_selectors(selectors: str) -> list[str]:
    """Split a list of selectors at its commas, except those within brackets."""
    return [part.strip() for part in re.split(r",(?![^()]*\))(?![^\[\]]*\])", selectors)]


def needed(selector: str, words: set[str]) -> bool:
    """Say whether every class that a selector asks for is among the words."""
    outside = re.sub(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)", "", selector)
    return all(name.replace("\\", "") in words for name in CLASS.findall(outside))


def trimmed(css: str, words: set[str]) -> str:
    """Leave out of a style sheet what asks for a class that is not among the words.

    Args:
        css: a style sheet.
        words: every word of the pages and their scripts; a class that a script might set is among them.
    """
    kept = []
    for head, body in rules(re.sub(r"/\*.*?\*/", "", css, flags=re.S)):
        if body is None:
            kept.append(f"{head};")
        elif head.startswith(NESTED):
            inner = trimmed(body, words)
            kept.append(f"{head}{{{inner}}}" if inner else "")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            selectors = [part for part in split_selectors(head) if needed(part, words)]
            kept.append(f"{','.join(selectors)}{{{body}}}" if selectors else "")
    return "".join(kept)


def words_of(folder: Path) -> set[str]:
    """Collect the words of all pages and scripts below a folder."""
    files = [*folder.rglob("*.html"), *folder.rglob("*.js")]
    return {word for file in files for word in re.findall(r"[\w-]+", file.read_text(encoding="utf-8"))}


def smaller_font(source: Path, glyphs: set[int], target: Path) -> None:
    """Write some of a font's glyphs, with all that belongs to them, as WOFF.

    Args:
        source: a `.ttf` file.
        glyphs: Unicode code points; those that the font lacks are left out.
        target: the file to write.
    """
    options = subset.Options(flavor="woff", notdef_outline=True)
    font = subset.load_font(str(source), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=glyphs)
    cutter.subset(font)
    target.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(font, str(target), options)


def trim(static: Path, words: set[str]) -> None:
    """Trim all style sheets, and the icon fonts that the theme's names.

    Args:
        static: the folder `_static` of the built pages.
        words: of all pages and scripts.
    """
    for sheet in static.rglob("*.css"):
        sheet.write_text(trimmed(sheet.read_text(encoding="utf-8"), words), encoding="utf-8")
    found = ICON.findall("".join(sheet.read_text(encoding="utf-8") for sheet in static.rglob("*.css")))
    glyphs = {int(code, 16) if code else ord(character) for code, character in found}
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    css = sheet.read_text(encoding="utf-8")
    for source in sorted((static / "vendor").rglob("*.ttf")):
        smaller_font(source, glyphs, source.with_suffix(".woff"))
        url = re.compile(rf"src:url\([^)]*{source.stem}\.woff2\)[^,;]*,url\(([^)]*)\.ttf\)[^;}}]*")
        css = url.sub(lambda found: f'src:url({found[1]}.woff) format("woff")', css)
        source.unlink()
        source.with_suffix(".woff2").unlink(missing_ok=True)
    sheet.write_text(css, encoding="utf-8")
