"""Prepares the caches of a fresh clone once, before xdist starts the processes that need them.

pytest rewrites the asserts of each test module, which takes longer than to import it. Each of six processes would do
that for all modules: 7 of the 12 seconds of CPU that each one needs before its first test. Hypothesis works out which
characters there are, and each process would do that: another 2 seconds.
"""

import compileall
import contextlib
import gc
import multiprocessing
import os
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook
from hypothesis import given, settings
from hypothesis import strategies as st

import forwarder


# Before that of xdist, which starts the processes.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    hook = config.pluginmanager.rewrite_hook
    everything = config.args_source is config.ArgsSource.TESTPATHS and getattr(config.option, "numprocesses", None)
    if not (everything and isinstance(hook, AssertionRewritingHook)):
        return
    folder = config.rootpath / "tests"
    tests = list(folder.rglob("test_*.py"))
    others = [*Path(forwarder.__file__).parent.rglob("*.py"), *folder.rglob("[!t]*.py")]
    count = os.cpu_count() or 1
    forks = multiprocessing.get_context("fork")
    parts = [forks.Process(target=write, args=(hook, tests[n::count], others[n::count])) for n in range(count)]
    parts.append(forks.Process(target=know_characters))
    for part in parts:
        part.start()
    for part in parts:
        part.join()


def pytest_collection_finish() -> None:
    # Thousands of tests stay until the end: the garbage collector need not look at them again and again.
    gc.freeze()


@settings(max_examples=1, database=None)
@given(st.text())
def know_characters(_text: str) -> None:
    """Hypothesis keeps what it finds out about Unicode in its folder."""


def write(hook: AssertionRewritingHook, tests: Sequence[Path], others: Sequence[Path]) -> None:
    """In a process of its own: writes what is not cached yet, even where PYTHONDONTWRITEBYTECODE is set."""
    sys.dont_write_bytecode = False
    for file in others:
        compileall.compile_file(file, quiet=2)
    for file in tests:
        spec = spec_from_file_location(file.stem, file, loader=hook)
        assert spec is not None
        module = module_from_spec(spec)
        # The hook also executes the module. Without built-ins that ends at its first import.
        module.__dict__["__builtins__"] = {}
        with contextlib.suppress(ImportError):
            hook.exec_module(module)
