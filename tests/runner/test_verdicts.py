"""The command line that prints and stores verdicts, on a book in miniature."""

from runner.verdicts import main
from tests.stub_book import write_evidence

SIDES = {"wide": 82, "narrow": 80}
CLAIM = """
[[claim]]
id = "wide-is-better"
chapter = "01_stub"
says = "The wide one is better."
margin = "wide - narrow"
unit = "points"
"""


def test_verdicts_are_printed_and_stored_on_demand(tmp_path, capsys):
    rows = [("glyphs", seed, name, "", value + seed) for seed in range(5) for name, value in SIDES.items()]
    write_evidence(tmp_path, rows)
    (tmp_path / "book" / "claims.toml").write_text(CLAIM)
    command = ["--root", str(tmp_path)]
    assert main(command) == 1
    assert "wide-is-better on glyphs: stored nothing, recomputed holds" in capsys.readouterr().out
    assert main([*command, "--update"]) == 0 == main(command)


def test_a_file_that_cannot_be_read_is_said(tmp_path, capsys):
    write_evidence(tmp_path, [])
    (tmp_path / "book" / "claims.toml").write_text("[[claim]]\nid = 1")
    assert main(["--root", str(tmp_path)]) == 1
    assert "Claim 1 has no id, chapter, says, margin, unit" in capsys.readouterr().err
