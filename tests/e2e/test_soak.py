"""A short soak; CI runs another one, of two minutes, beside its checks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_a_few_seconds_of_everything_at_once_keep_every_promise(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.programs.soak", "--minutes", "0.2", "--json", str(figures)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(figures.read_text())["pushed"] > 1_000
