"""The faults that are put back fit the code of today."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.programs.mutations.broken import ROOT
from tests.programs.mutations.faults_back import FAULTS_BACK, FaultBack


@pytest.mark.parametrize("fault", FAULTS_BACK, ids=lambda fault: fault.what)
def test_what_a_fault_replaces_stands_in_the_code_exactly_once(fault: FaultBack, tmp_path: Path) -> None:
    for file in {edit.file for edit in fault.edits}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for edit in fault.edits:
        edit.apply(tmp_path)
        if edit.file.endswith(".py"):
            ast.parse((tmp_path / edit.file).read_text(encoding="utf-8"))
