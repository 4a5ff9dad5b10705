"""What the demo says before it begins, and what can be copied at its end."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

from forwarder.demo import guide, view


@pytest.mark.parametrize(("asked", "more"), [(69_659, False), (999_999, True)])
def test_who_asks_for_more_purchases_than_there_are_gets_all_and_is_told_so(
    asked: int,
    more: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(view, "out", Console(highlight=False, width=60))
    view.title(69_659, asked)
    out = capsys.readouterr().out
    assert "69,659 real purchases" in out
    assert ("There are no more than that: 999,999 were asked for." in out) == more
    assert max(map(len, out.splitlines())) <= 60


@pytest.mark.parametrize("on_the_path", [True, False])
def test_an_alias_is_offered_only_to_those_who_need_it(
    on_the_path: bool,  # noqa: FBT001 - a parameter of the test
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    started = tmp_path / "my env" / "forwarder"
    started.parent.mkdir()
    started.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(started), "demo"])
    monkeypatch.setenv("PATH", str(started.parent if on_the_path else tmp_path))
    (_, first), *_ = guide.steps("redis://127.0.0.1:23456/0", "http://127.0.0.1:1", "http://127.0.0.1:2")
    assert first[-1] == "export FORWARDER_REDIS_URL=redis://127.0.0.1:23456/0"
    assert len(first) == 1 + (not on_the_path)
    assert on_the_path or first[0] == f"""alias forwarder={chr(39)}'"'"'{started}'"'"'{chr(39)}"""
