"""The table of faults in tests/fault/table.md: a row for each fault, a mark for each promise that its test checks.

A test declares what it causes with :func:`fault`. `pytest -m fault --fault-table=tests/fault/table.md` writes the
table from the tests that have just passed and failed. A run of all short tests, or of all long ones, fails if the page
has other rows or other promises, or if a test of a row failed; the run of the other half checks the other results.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from tests.support.documents import between_marks, written

#: Where something goes wrong, in the order of the table.
Where = Literal["process", "connection", "Redis", "failover", "cluster", "API", "input", "producer", "machine"]

PROMISES = range(1, 8)
#: The page that has the table, from the root of the repository.
PAGE = "tests/fault/table.md"
#: The property of a test's report that holds the rows of the test; also what a process of xdist hands over.
_PROPERTY = "fault"
#: `-m` of a run of everything, or of one of the two halves.
_HALVES = {"", "long", "not long"}


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

    def line(self, *, half: bool) -> str:
        marks = " | ".join("✓" if promise in self.keeps else "" for promise in PROMISES)
        result = "**broken**" if self.broken else "kept" if self.ran or half else "not run"
        return f"| {self.where} | {self.what} | {self.then} | {marks} | {result} |"


class FaultTable:
    """Collects the rows of one run."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], _Row] = {}

    @property
    def marks(self) -> list[tuple[str, str, str, list[int]]]:
        """All rows, as they are handed from process to process."""
        return [(row.where, row.what, row.then, sorted(row.keeps)) for row in self._rows.values()]

    def collect(self, items: Iterable[pytest.Item]) -> None:
        """Reads the marks of tests and adds them to the reports, which may come from xdist's other processes."""
        for item in items:
            for mark in item.iter_markers("fault"):
                self.add(*mark.args)
                item.user_properties.append((_PROPERTY, mark.args))

    def add(self, where: str, what: str, then: str, keeps: Iterable[int]) -> None:
        """Adds a row, whether or not its tests run."""
        self._row(where, what, then, keeps)

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

    def render(self, *, half: bool = False) -> str:
        """The table as Markdown, in an order that does not depend on the run.

        Args:
            half: shows the rows that did not run as kept, because the run of the other half checks them.
        """
        places = get_args(Where)
        rows = sorted(self._rows.values(), key=lambda row: (places.index(row.where), row.what, row.then))
        head = "| where | fault | what happens | " + " | ".join(str(promise) for promise in PROMISES) + " | result |"
        rule = "|---|---|---|" + ":-:|" * len(PROMISES) + "---|"
        return "\n".join(["", head, rule, *(row.line(half=half) for row in rows), "", ""])


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

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Takes the rows that one of xdist's processes has collected."""
        for mark in getattr(node, "workeroutput", {}).get(_PROPERTY, ()):
            self._table.add(*mark)


# Before those who deselect.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[_TABLE].collect(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of xdist's processes: it has seen a part of the run only
        session.config.workeroutput[_PROPERTY] = session.config.stash[_TABLE].marks
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
    """How the page differs from the run, if the run was of all tests, of all short ones or of all long ones."""
    if not _is_a_half(config):
        return []
    page = between_marks((config.rootpath / PAGE).read_text(), "faults")
    run = config.stash[_TABLE].render(half=bool(config.option.markexpr))
    if page == run:
        return []
    before, now = (set(re.findall(r"^\| .*$", text, re.MULTILINE)) for text in (page, run))
    return [
        f"{PAGE} has another table of faults; write it with: pytest -n 3 -m fault --fault-table={PAGE}",
        *(f"- {row}" for row in sorted(before - now)),
        *(f"+ {row}" for row in sorted(now - before)),
    ]


def _is_a_half(config: pytest.Config) -> bool:
    """Whether the command line leaves no test out, except the long ones or all others."""
    option = config.option
    chosen = option.keyword or option.collectonly or option.deselect or option.maxfail
    chosen = chosen or option.markexpr not in _HALVES
    return config.args_source is config.ArgsSource.TESTPATHS and not (chosen or getattr(option, "lf", False))
