"""The table of faults says what the tests said, and nothing that they did not show."""

from pathlib import Path

import pytest

from tests.support.documents import between_marks
from tests.support.faults import PAGE, fault

pytest_plugins = ["pytester"]

TESTS = """
    import pytest
    from tests.support.faults import fault

    @fault("API", "down", "waits", keeps=(1, 6))
    def test_of_an_outage():
        assert {outage}

    @fault("process", "killed", "adopted", keeps=(1,))
    @pytest.mark.parametrize("worker", [1, 2])
    def test_of_a_kill(worker):
        {kill}

    @fault("process", "killed", "adopted", keeps=(2,))
    def test_of_a_kill_for_another_promise():
        pass
"""
DOCUMENT = "# t\n<!-- faults -->\n{table}<!-- /faults -->\nrest\n"
TABLE = """
| where | fault | what happens | 1 | 2 | 3 | 4 | 5 | 6 | 7 | result |
|---|---|---|:-:|:-:|:-:|:-:|:-:|:-:|:-:|---|
| process | killed | adopted | ✓ | ✓ |  |  |  |  |  | kept |
| API | down | waits | ✓ |  |  |  |  | ✓ |  | kept |

"""


#: Processes of xdist, each without the plugins that these tests do not need.
SEVERAL = ("-p", "xdist", "-n", "2")


@pytest.fixture(autouse=True)
def from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def given(pytester: pytest.Pytester, *, outage: str = "True", kill: str = "pass", table: str = TABLE) -> None:
    pytester.makeconftest('pytest_plugins = ["tests.support.faults"]')
    pytester.makeini("[pytest]\ntestpaths = .\nmarkers = long\n")
    pytester.makepyfile(TESTS.format(outage=outage, kill=kill))
    page = pytester.path / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(DOCUMENT.format(table=table))


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    how = pytester.runpytest_subprocess if set(SEVERAL) <= set(arguments) else pytester.runpytest_inprocess
    return how("-p", "no:cacheprovider", *arguments)


def test_the_table_is_written_from_what_passed(pytester: pytest.Pytester) -> None:
    given(pytester, table="")
    assert run(pytester, f"--fault-table={PAGE}").ret == 0
    assert (pytester.path / PAGE).read_text() == DOCUMENT.format(table=TABLE)


@pytest.mark.long
def test_the_table_is_the_same_when_the_tests_run_in_several_processes(pytester: pytest.Pytester) -> None:
    given(pytester, table="")
    assert run(pytester, *SEVERAL, f"--fault-table={PAGE}").ret == 0
    assert (pytester.path / PAGE).read_text() == DOCUMENT.format(table=TABLE)
    assert run(pytester, *SEVERAL).ret == 0
    given(pytester, kill="assert worker < 2")
    run(pytester, *SEVERAL, f"--fault-table={PAGE}")
    assert between_marks((pytester.path / PAGE).read_text(), "faults").count("**broken**") == 1


@pytest.mark.parametrize("broken", [{"outage": "False"}, {"kill": "pytest.skip()"}, {"kill": "assert worker < 2"}])
def test_what_failed_or_was_skipped_is_not_called_kept(pytester: pytest.Pytester, broken: dict[str, str]) -> None:
    given(pytester, **broken)
    run(pytester, f"--fault-table={PAGE}")
    table = between_marks((pytester.path / PAGE).read_text(), "faults")
    assert table.count("**broken**") == 1


def test_what_did_not_run_is_not_called_kept(pytester: pytest.Pytester) -> None:
    given(pytester)
    run(pytester, "--collect-only", f"--fault-table={PAGE}")
    table = between_marks((pytester.path / PAGE).read_text(), "faults")
    assert (table.count("not run"), table.count("kept")) == (2, 0)


def test_a_whole_run_fails_when_the_page_has_another_table(pytester: pytest.Pytester) -> None:
    given(pytester, table=TABLE.replace("waits", "guesses"))
    result = run(pytester)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["- | API | down | guesses *", "+ | API | down | waits *"])
    assert run(pytester, "-k", "outage").ret == 0
    given(pytester)
    assert run(pytester).ret == 0


LONG = """
import pytest
from tests.support.faults import fault

@pytest.mark.long
@fault("process", "killed", "adopted", keeps=(2,))
def test_of_kills_at_random():
    assert {kills}

@pytest.mark.long
@fault("machine", "frozen", "goes on", keeps=(3,))
def test_of_a_machine():
    pass
"""


WHOLE = TABLE.rstrip() + "\n| machine | frozen | goes on |  |  | ✓ |  |  |  |  | kept |\n\n"
LESS_PROMISED = WHOLE.replace("| ✓ | ✓ |", "| ✓ |  |")


@pytest.mark.parametrize(
    ("table", "kills", "processes", "expected"),
    [
        (WHOLE, "True", (), {"not long": 0, "long": 0}),
        (TABLE, "True", (), {"not long": 1, "long": 1}),
        (LESS_PROMISED, "True", (), {"not long": 1, "long": 1}),
        (WHOLE, "False", (), {"not long": 0, "long": 1}),
        (WHOLE, "True", SEVERAL, {"not long": 0}),
        (LESS_PROMISED, "True", SEVERAL, {"long": 1}),
    ],
)
def test_each_half_fails_if_the_page_has_other_rows_or_promises_or_one_of_its_tests_fails(
    pytester: pytest.Pytester, table: str, kills: str, processes: tuple[str, ...], expected: dict[str, int]
) -> None:
    given(pytester, table=table)
    pytester.makepyfile(test_long=LONG.format(kills=kills))
    assert {half: run(pytester, "-m", half, *processes).ret for half in expected} == expected


def test_a_row_keeps_a_known_promise_at_a_known_place() -> None:
    for where, keeps in (("moon", (1,)), ("API", ()), ("API", (8,))):
        with pytest.raises(AssertionError):
            fault(where, "what", "then", keeps=keeps)  # type: ignore[arg-type]
