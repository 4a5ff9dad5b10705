"""The table of faults in containers, and that the document has it."""

from dataclasses import replace

import pytest

from tests.programs.containers import table
from tests.programs.containers.compose import SERVICES
from tests.programs.containers.faults import FAULTS
from tests.programs.containers.images import bases, shipped

GOOD = table.Outcome(
    name="kill", pushed=1000, doubles=3, silence=7.24, again=6.14, drained=0.3, seen="Docker restarted it"
)


def test_the_document_has_every_fault_and_each_kept_every_promise() -> None:
    text = table.DOCUMENT.read_text()
    assert table.titles(text) == [fault.title for fault in FAULTS]
    assert "✗" not in text
    assert "without a cause" not in text


def test_a_broken_promise_is_shown() -> None:
    assert GOOD.good
    assert table.row("a", "b", GOOD) == "| a | b | Docker restarted it | ✓ | ✓ | ✓ | 3 of 1,000 | 7.2 s | 6.1 s |\n"
    bad = replace(GOOD, faults={"missing": 1, "doubled without a cause": 2}, wrong=["it took 31 s"])
    assert not bad.good
    assert "it took 31 s | ✗ | ✓ | ✓ | 3 of 1,000, and 2 without a cause |" in table.row("a", "b", bad)
    assert not replace(GOOD, wrong=["it took 31 s"]).good


def test_the_table_is_replaced_and_can_be_read_again() -> None:
    text = f"before\n{table.BEGIN}old\n{table.END}after\n"
    new = table.inserted(text, [table.row("a", "b", GOOD), table.row("c", "d", GOOD)])
    assert "old" not in new
    assert table.titles(new) == ["a", "c"]
    assert table.inserted(new, []).startswith("before\n")
    with pytest.raises(ValueError, match="marks"):
        table.inserted("no marks", [])


def test_every_image_that_is_shipped_is_stood_in_for_but_grafana() -> None:
    others = {service["image"] for name, service in shipped().items() if name != "grafana" and "build" not in service}
    assert others < bases().keys()
    assert {*SERVICES} == shipped().keys() - {"grafana"}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
