"""The page about security promises nothing without a test, and each of those tests exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "deploy" / "security.md").read_text(encoding="utf-8")


def existing() -> set[str]:
    """Every test of the suite as `file::test`."""
    return {
        f"{path.stem}::{name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def rows(heading: str) -> list[list[str]]:
    """The cells of all tables that begin with a heading, without their two first lines."""
    found = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for table in found for row in table.splitlines()]


def proofs(text: str) -> list[str]:
    return re.findall(r"`(test_\w+::test_\w+)`", text)


def test_every_test_that_the_page_names_exists() -> None:
    named = proofs(PAGE)
    assert len(named) > 50
    assert set(named) <= existing()
    assert len(re.findall(r"\btest_\w+", PAGE)) == 2 * len(named), "no test is named otherwise"


@pytest.mark.parametrize("heading", ["what", "cannot"])
def test_every_promise_names_its_test(heading: str) -> None:
    found = rows(heading)
    assert len(found) >= 9
    for row in found:
        assert proofs(row[-1]), row[0]


def test_the_files_of_tests_have_names_of_their_own() -> None:
    """So that a name on the page means one test."""
    named = {proof.partition("::")[0] for proof in proofs(PAGE)}
    for name in named:
        assert len(list((ROOT / "tests").rglob(f"{name}.py"))) == 1, name
