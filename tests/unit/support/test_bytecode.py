from pathlib import Path

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

from tests.support import bytecode


def test_it_writes_what_pytest_and_python_would_write_and_executes_nothing(
    tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    hook = pytestconfig.pluginmanager.rewrite_hook
    assert isinstance(hook, AssertionRewritingHook)
    test, other = tmp_path / "test_it.py", tmp_path / "other.py"
    for file in (test, other):
        file.write_text(f'"""A module."""\nimport pathlib\n\npathlib.Path({str(tmp_path / "executed")!r}).touch()\n')
    bytecode.write(hook, [test], [other])
    names = sorted(file.name for file in tmp_path.rglob("*.pyc"))
    assert len(names) == 2, names
    assert names[0].startswith("other.")
    assert names[1].startswith("test_it.")
    assert "pytest" in names[1]
    assert not (tmp_path / "executed").exists()
