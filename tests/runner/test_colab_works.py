"""Links by author and year, from a small file of references."""

import pytest

from runner.colab_works import Works

BIB = r"""
@article{one, author = {M{\"u}ller, Ann}, title = {{Zeros} First}, year = {2001}, journal = {J. of X},
  doi = {10.1/a(b)c}, eprint = {1.2}}
@misc{two, author = {Abel, B. and van der Berg, C.}, title = {T}, year = {1999}, eprint = {9901.1},
  url = {https://elsewhere}}
@misc{many, author = {{The Team} and B, C and D, E and F, G}, title = {U}, year = {2003}, url = {https://x.y/z}}
"""


@pytest.fixture
def works(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "references.bib").write_text(BIB, encoding="utf8")
    return Works(tmp_path)


def test_citations(works):
    assert works.cite("one") == "([Müller, 2001](https://doi.org/10.1/a%28b%29c))"
    assert works.cite("two, many") == (
        "([Abel and van der Berg, 1999](https://arxiv.org/abs/9901.1); [The Team et al., 2003](https://x.y/z))"
    )
    assert works.cite("one", textual=True) == "[Müller 2001](https://doi.org/10.1/a%28b%29c)"


def test_the_list_has_what_was_cited_by_author(works):
    works.cite("one")
    works.cite("two")
    works.cite("one")
    assert works.listed() == (
        "- Abel, van der Berg (1999). [T](https://arxiv.org/abs/9901.1).\n"
        "- Müller (2001). [Zeros First](https://doi.org/10.1/a%28b%29c). *J. of X*."
    )


def test_an_unknown_work_is_an_error(works):
    with pytest.raises(KeyError, match="three"):
        works.cite("three")
