"""The documents of the repository, and the parts of them that commands write.

Such a part stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]

README = ROOT / "README.md"
REFERENCE = ROOT / "deploy" / "reference.md"
REDIS = ROOT / "deploy" / "redis.md"
PRODUCERS = ROOT / "deploy" / "producers.md"
SCALING = ROOT / "deploy" / "scaling.md"
FAULTS = ROOT / "tests" / "fault" / "table.md"
PROOF = ROOT / "tests" / "fault" / "README.md"
BENCH = ROOT / "tests" / "programs" / "bench" / "README.md"

#: Every page, by its path from the root.
PAGES = {
    str(page.relative_to(ROOT)): page
    for page in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "deploy").glob("*.md")), PROOF, FAULTS, BENCH)
}


def from_yaml(text: str) -> Any:
    """Read by libyaml, as each process that collects the tests reads some."""
    return next(all_from_yaml(text))


def all_from_yaml(text: str) -> Iterator[Any]:
    return iter(yaml.load_all(text, Loader=yaml.CSafeLoader))


def between_marks(text: str, name: str) -> str:
    """The part with this name. Raises :class:`ValueError` if one of its two marks is missing."""
    begin, end = _marks(name)
    return text[text.index(begin) + len(begin) : text.index(end)]


def written(text: str, name: str, part: str) -> str:
    """The document with another part under this name."""
    begin, end = _marks(name)
    return text.replace(begin + between_marks(text, name) + end, begin + part + end)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"<!-- /{name} -->"


def cells(table: str) -> list[list[str]]:
    """The cells of a Markdown table, row by row, without its two lines of heading."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def table_headed(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table whose heading begins like this."""
    return cells(text[text.index(f"| {heading}") :].partition("\n\n")[0])


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of texts."""
    first, *rest = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([first, "|" + "---|" * len(head), *rest, ""])


def code(text: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]+)`", text)


def fenced(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
