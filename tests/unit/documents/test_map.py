"""The map of the code is where its reader is: each package's docstring names each of its modules, in one line."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = sorted(path.parent for path in (ROOT / "forwarder").rglob("__init__.py"))
#: A newcomer sees these names first.
MOST_NAMES_IN_FRONT = 24
MOST_LINES = 320


def modules(package: Path) -> set[str]:
    files = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    return files | {path.parent.name for path in package.glob("*/__init__.py")}


@pytest.mark.parametrize("package", PACKAGES, ids=[str(path.relative_to(ROOT)) for path in PACKAGES])
def test_a_packages_docstring_has_one_line_for_each_of_its_modules(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    assert text is not None
    named = re.findall(r"^(\w+)  +\S", text, re.MULTILINE)
    assert sorted(named) == sorted(modules(package))


def test_contributing_has_one_line_for_each_package() -> None:
    house = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The map of the code")[1]
    shown = re.findall(r"^\| `(\w+)` \|", house, re.MULTILINE)
    assert sorted(shown) == sorted(modules(ROOT / "forwarder"))


def test_a_newcomer_sees_few_names_and_no_file_is_long() -> None:
    assert len(modules(ROOT / "forwarder")) <= MOST_NAMES_IN_FRONT
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "forwarder").rglob("*.py")}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}
