"""`from forwarder import ...` gives what type checkers are shown, and `import forwarder` alone loads no library."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import forwarder

STUB = Path(forwarder.__file__).with_suffix(".pyi")


def test_the_names_are_those_that_a_type_checker_sees() -> None:
    imports = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)]
    stub = {name.name: each.module for each in imports for name in each.names}
    assert sorted(stub) == sorted(forwarder.__all__)
    for name, module in stub.items():
        assert module is not None
        assert getattr(forwarder, name) is getattr(import_module(module), name)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Produzer'"):
        _ = forwarder.Produzer  # type: ignore[attr-defined]


def test_the_package_alone_loads_no_library() -> None:
    code = "import sys, forwarder; print(*{'redis', 'msgspec', 'asyncio', 'forwarder.producer'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []
