"""The page of faults has a row for each fault that a test declares, and no other.

A run of all tests also checks that each row was kept. This test only reads the marks, so that it is fast and
notices a new fault at once.
"""

import ast
from collections.abc import Iterator

from tests.support.documents import FAULTS, PROOF, ROOT, between_marks
from tests.support.faults import PAGE, FaultTable


def declared() -> Iterator[tuple[str, str, str, tuple[int, ...]]]:
    """The arguments of every call of ``fault`` in a test; names of constants are looked up in their module."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.name == "test_fault_table.py":  # it declares faults that are none, to test the plugin
            continue
        text = path.read_text(encoding="utf-8")
        if "fault(" not in text:
            continue
        module = ast.parse(text)
        constants = {
            target.id: str(node.value.value)
            for node in module.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fault":
                where, what, then = (
                    constants[each.id] if isinstance(each, ast.Name) else str(ast.literal_eval(each))
                    for each in node.args
                )
                yield where, what, then, ast.literal_eval(node.keywords[0].value)


def test_the_page_has_a_row_for_each_fault_and_each_is_kept() -> None:
    table = FaultTable()
    for where, what, then, keeps in declared():
        table._row(where, what, then, keeps).ran = True
    assert between_marks(FAULTS.read_text(encoding="utf-8"), "faults") == table.render()


def test_the_plugin_checks_the_same_page() -> None:
    assert ROOT / PAGE == FAULTS


def test_the_page_about_the_proof_says_how_many_faults_there_are() -> None:
    rows = between_marks(FAULTS.read_text(encoding="utf-8"), "faults").strip().splitlines()[2:]
    assert f"has {len(rows)} faults" in PROOF.read_text(encoding="utf-8")
