"""The book's own Sphinx extensions, on pieces of a page; oracles: answers by hand, fontTools' reader."""

import finishing
import formulas
import pytest
import trimming
from bs4 import BeautifulSoup
from docutils.core import publish_doctree
from fontTools.ttLib import TTFont

SHEET = """@charset "UTF-8";/* a comment { */ .used,.gone{a:b}.gone:hover{a:b}p:not(.gone){a:"}"}
@media print{.gone{a:b}.used .other{a:b}}@media screen{.gone{a:b}}@font-face{a:b}"""


def test_rules_for_classes_that_no_page_has_are_left_out():
    found = trimming.trimmed(SHEET, {"used", "other"})
    assert found == (
        '@charset "UTF-8";.used{a:b}p:not(.gone){a:"}"}@media print{.used .other{a:b}}@font-face{a:b}'
    )


def test_a_smaller_font_has_the_glyphs_asked_for_and_their_large_forms(tmp_path):
    trimming.smaller_font(formulas.FONT, {ord("x"), 0x2211}, tmp_path / "new" / "small.woff")
    font = TTFont(tmp_path / "new" / "small.woff")
    assert set(font.getBestCmap()) == {ord("x"), 0x2211}
    assert font.getBestCmap()[0x2211] in font["MATH"].table.MathVariants.VertGlyphCoverage.glyphs


def test_formulas_become_elements():
    found = BeautifulSoup(formulas.mathml(r"\frac{a}{2} \\ b", display=True), "html.parser")
    assert found.math["display"] == "block"
    assert found.mfrac.get_text() == "a2" and len(found.find_all("mtr")) == 2
    assert "\\" not in found.get_text()


@pytest.mark.parametrize("tex", [r"\unheardof{x}", r"\frac{a", r"\begin{aligned} a"])
def test_a_formula_that_cannot_be_converted_is_named(tex):
    with pytest.raises(ValueError, match="write it differently"):
        formulas.mathml(tex, display=False)


def test_unused_scripts_go_and_images_wait(tmp_path):
    (tmp_path / "a.svg").write_text('<svg viewBox="0 0 40 20.4"></svg>')
    text = '<script src="x/searchtools.js"></script><script>const THEBE_JS_URL = 1</script>'
    text += '<script src="a.js"></script><script src="a.js"></script>'
    text += '<article><img src="a.svg"><img src="b.png"></article>'
    page, search = BeautifulSoup(text, "html.parser"), BeautifulSoup(text, "html.parser")
    finishing.lighten(page, tmp_path, searches=False)
    finishing.lighten(search, tmp_path, searches=True)
    assert [tag.get("src") for tag in page.find_all("script")] == ["a.js"]
    assert [tag.get("src") for tag in search.find_all("script")] == ["x/searchtools.js", "a.js"]
    first, second = page.find_all("img")
    assert (first["width"], first["height"]) == ("40", "20") and "loading" not in first.attrs
    assert second["loading"] == "lazy" and "width" not in second.attrs


def test_code_loses_the_spans_that_colour_nothing(tmp_path):
    code = (
        '<span class="k">for</span><span class="w"> </span><span class="n">a</span><span class="p">:</span>'
    )
    text = f'<div class="highlight"><pre>{code}</pre></div><p><span class="n">a</span></p>'
    page = BeautifulSoup(text, "html.parser")
    finishing.lighten(page, tmp_path, searches=False)
    assert str(page.pre) == '<pre><span class="k">for</span> a:</pre>' and page.p.span


def test_a_page_is_described_by_its_first_full_sentences():
    assert (
        finishing.description(publish_doctree("Short.\n\n" + "A sentence of some words. " * 3)).count(".")
        == 3
    )
    cut = finishing.description(publish_doctree("word, " * 100))
    assert len(cut) <= 203 and cut.endswith("word …")
    assert finishing.description(publish_doctree("")) == ""


def test_roles_and_titles():
    text = '<div role="list"><p role="doc-biblioentry">x</p></div><table><tr><th></th><th>a</th></tr></table>'
    text += (
        '<div class="solution"><p class="admonition-title">Solution to <a href="#e">Exercise</a></p></div>'
    )
    page = BeautifulSoup(text, "html.parser")
    finishing.open_up(page)
    assert page.p["role"] == "listitem"
    assert [cell.name for cell in page.tr] == ["td", "th"]
    assert page.a is None and "Solution to Exercise" in page.get_text()
