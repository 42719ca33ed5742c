"""What cannot be written to is found before the work is done."""

from pathlib import Path

import pytest

from policies.errors import PolicyError
from policies.paths import check_writable, report_page


def test_a_folder_that_can_be_made_is_left_unmade(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(PolicyError, match=r"expected a folder to write into, .*notes.md is a file"):
        check_writable(tmp_path / "notes.md" / "runs")
    with pytest.raises(PolicyError, match=r"expected a folder to write into, /proc: "):
        check_writable(Path("/proc/nowhere/runs"))


def test_a_report_is_a_folder_or_a_page_and_replaces_nothing(tmp_path: Path) -> None:
    assert report_page(str(tmp_path), False) == tmp_path / "report.html"
    assert report_page(str(tmp_path / "a.html"), False) == tmp_path / "a.html"
    (tmp_path / "a.json").touch()
    with pytest.raises(PolicyError, match=r"parameter 'report': .*a.json exists; name another"):
        report_page(str(tmp_path / "a.html"), False)
    assert report_page(str(tmp_path / "a.html"), True) == tmp_path / "a.html"
    with pytest.raises(PolicyError, match=r"a.json is a file"):
        report_page(str(tmp_path / "a.json"), False)
