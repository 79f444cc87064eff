"""`pbt report`: writes the page, whole or not at all."""

import pytest

from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli import write_page as command
from unit.page.parsed import parse
from unit.page.populations import record_small


def test_the_page_is_written_where_it_was_asked_for(pbt, digits, tmp_path):
    to = tmp_path / "pages" / "digits.html"
    assert pbt("report", digits, "--to", to) == (0, f"wrote {to}\n", "")
    assert parse(to.read_text()).all("h1")[0].text == "digits"
    assert [path.name for path in to.parent.iterdir()] == ["digits.html"]


def test_a_page_that_was_written_before_is_replaced(pbt, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits-report.html").write_text("old")
    assert pbt("report", digits).code == 0
    assert (tmp_path / "digits-report.html").read_text() != "old"


def test_a_folder_is_no_page(pbt, digits, tmp_path):
    ended = pbt("report", digits, "--to", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert f"such as {tmp_path}/digits.html" in ended.err


def test_what_goes_wrong_on_the_way_leaves_the_old_page(pbt, digits, tmp_path, monkeypatch):
    to = tmp_path / "page.html"
    to.write_text("old")

    def fails(_archive: object) -> str:
        raise OSError(28, "No space left on device", "page.html")

    monkeypatch.setattr(command, "page", fails)
    ended = pbt("report", digits, "--to", to)
    assert (ended.code, ended.err) == (1, "pbt: [Errno 28] No space left on device: 'page.html'\n")
    assert to.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]


@pytest.mark.parametrize("verb", ["report", "fetch"])
def test_a_hostile_name_leads_nowhere_else(pbt, tmp_path, monkeypatch, verb):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    record_small(FolderStore(tmp_path / "runs"), name="../escaped")
    assert pbt(verb, tmp_path / "runs").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "runs"]
    assert [path.name.split("-")[0] for path in (tmp_path / "here").iterdir()] == ["population"]
