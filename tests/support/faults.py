"""The table of faults in tests/fault/README.md: a row for each fault, a mark for each promise that its test checks.

A test declares what it causes with :func:`fault`. `pytest --fault-table=tests/fault/README.md` writes the table from
the tests that have just passed and failed. A run of all tests fails if the page has another table.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pytest

from tests.support.documents import between_marks, written

#: Where something goes wrong, in the order of the table.
Where = Literal["process", "connection", "Redis", "failover", "cluster", "API", "input", "producer", "machine"]

PROMISES = range(1, 8)
#: The page that has the table, from the root of the repository.
PAGE = "tests/fault/README.md"
#: The property of a test's report that holds the rows of the test.
_PROPERTY = "fault"


def fault(where: Where, what: str, then: str, *, keeps: Iterable[int]) -> pytest.MarkDecorator:
    """Marks a test as the proof of a row.

    Args:
        where: the part that fails.
        what: the fault, as an operator would call it.
        then: what the service does, in a few words.
        keeps: the promises, by their numbers on the page, that the test asserts in spite of the fault.
    """
    kept = tuple(keeps)
    assert where in get_args(Where)
    assert kept
    assert set(kept) <= set(PROMISES)
    return pytest.mark.fault(where, what, then, kept)


@dataclass
class _Row:
    where: str
    what: str
    then: str
    keeps: set[int] = field(default_factory=set)
    broken: bool = False
    ran: bool = False

    def line(self) -> str:
        marks = " | ".join("✓" if promise in self.keeps else "" for promise in PROMISES)
        result = "kept" if self.ran and not self.broken else "**broken**" if self.ran else "not run"
        return f"| {self.where} | {self.what} | {self.then} | {marks} | {result} |"


class FaultTable:
    """Collects the rows of one run."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], _Row] = {}

    def collect(self, items: Iterable[pytest.Item]) -> None:
        """Reads the marks of tests and adds them to the reports, which may come from xdist's other processes."""
        for item in items:
            for mark in item.iter_markers("fault"):
                self._row(*mark.args)
                item.user_properties.append((_PROPERTY, mark.args))

    def _row(self, where: str, what: str, then: str, keeps: Iterable[int]) -> _Row:
        row = self._rows.setdefault((where, what, then), _Row(where, what, then))
        row.keeps |= set(keeps)
        return row

    def record(self, report: pytest.TestReport) -> None:
        """Takes the result of a test, or of its set-up; a skipped one proves nothing."""
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, (tuple, list)):
                row = self._row(*value)
                row.ran = True
                row.broken |= not report.passed

    def render(self) -> str:
        """The table as Markdown, in an order that does not depend on the run."""
        places = get_args(Where)
        rows = sorted(self._rows.values(), key=lambda row: (places.index(row.where), row.what, row.then))
        head = "| where | fault | what happens | " + " | ".join(str(promise) for promise in PROMISES) + " | result |"
        rule = "|---|---|---|" + ":-:|" * len(PROMISES) + "---|"
        return "\n".join(["", head, rule, *(row.line() for row in rows), "", ""])


_TABLE = pytest.StashKey[FaultTable]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", type=Path, metavar="FILE", help="write the table of faults into this document")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(where, what, then, keeps): a row of the table of faults")
    config.stash[_TABLE] = FaultTable()
    config.pluginmanager.register(_Recorder(config.stash[_TABLE]))


class _Recorder:
    def __init__(self, table: FaultTable) -> None:
        self._table = table

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._table.record(report)


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[_TABLE].collect(session.items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # one of xdist's processes: it has seen a part of the run only
        return
    table = session.config.stash[_TABLE].render()
    document: Path | None = session.config.option.fault_table
    if document:
        document.write_text(written(document.read_text(), "faults", table))
    elif not session.testsfailed and _differences(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not terminalreporter.stats.get("failed"):
        for line in _differences(config):
            terminalreporter.write_line(line, red=True)


def _differences(config: pytest.Config) -> list[str]:
    """How the page differs from the run, if the run was of all tests."""
    if not _is_everything(config):
        return []
    page, run = between_marks((config.rootpath / PAGE).read_text(), "faults"), config.stash[_TABLE].render()
    if page == run:
        return []
    before, now = (set(re.findall(r"^\| .*$", text, re.MULTILINE)) for text in (page, run))
    return [
        f"{PAGE} has another table of faults; write it with: pytest -n 3 -m fault --fault-table={PAGE}",
        *(f"- {row}" for row in sorted(before - now)),
        *(f"+ {row}" for row in sorted(now - before)),
    ]


def _is_everything(config: pytest.Config) -> bool:
    """Whether the command line leaves no test out."""
    option = config.option
    chosen = option.keyword or option.markexpr or option.collectonly or option.deselect or option.maxfail
    return config.args_source is config.ArgsSource.TESTPATHS and not (chosen or getattr(option, "lf", False))
