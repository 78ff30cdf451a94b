"""Oracle: the rewritten text, written out by hand."""

import pytest

from utils.evidence.claims_text import with_verdicts

BEFORE = """# The claims.

[[claim]]  # the first
id = "a"
says = "It is = better."
[claim.verdict]
# tested
glyphs = "undecided"
old-set = 'holds'

# about b
[[claim]]
id = "b"
verdict = {glyphs = "holds"}

# about c
[[claim]]
id = "c"
"""
AFTER = """# The claims.

[[claim]]  # the first
id = "a"
says = "It is = better."
[claim.verdict]
glyphs = "holds"
"my set" = "not measured"
# tested

# about b
[[claim]]
id = "b"
[claim.verdict]
glyphs = "does not hold"

# about c
[[claim]]
id = "c"
[claim.verdict]
glyphs = "undecided"
"""


def test_only_the_verdicts_change():
    verdicts = [
        {"glyphs": "holds", "my set": "not measured"},
        {"glyphs": "does not hold"},
        {"glyphs": "undecided"},
    ]
    assert with_verdicts(BEFORE, verdicts) == AFTER
    assert with_verdicts(AFTER, verdicts) == AFTER
    assert with_verdicts("# none\n", []) == "# none\n"


@pytest.mark.parametrize(
    "text",
    ['claim = [{id = "a"}]\n', '[[claim]]\nid = "a"\nsays = """\n[[claim]]\n"""\n'],
)
def test_a_layout_that_would_be_damaged_is_refused(text):
    with pytest.raises(ValueError, match="cannot be placed|Invalid|Expected|Unclosed|Illegal|Unterminated"):
        with_verdicts(text, [{"glyphs": "holds"}])
