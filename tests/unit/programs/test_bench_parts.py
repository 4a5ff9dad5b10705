"""What the benchmark does when a contestant or a part fails, and when it is resumed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from tests.programs.bench import __main__, parts
from tests.programs.bench.bench import Bench
from tests.programs.bench.findings import Finding
from tests.programs.bench.parts import Part
from tests.programs.bench.peers.peer import Peer, Run
from tests.programs.bench.peers.roster import PEERS
from tests.programs.bench.report import Report
from tests.programs.bench.work import strangers


class _Failing(Peer):
    name = "failing"

    def load(self, run: Run) -> None:
        raise ConnectionError(f"no broker for {run.work.name}")


def _bench(tmp_path: Path, *arguments: str) -> Bench:
    asked = __main__.arguments().parse_args(["--quick", "--scratch", str(tmp_path), *arguments])
    return Bench(asked, Console(quiet=True), tmp_path, tmp_path / "runs")


def _part(value: float) -> Part:
    return Part(1.0, lambda bench: bench.report(findings=[Finding("x", value)]))


def _broken(bench: Bench) -> Report:
    raise AssertionError(f"nothing came of it, {bench.scale} times smaller")


@pytest.fixture
def two_parts(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Part]:
    fake = {"rate": _part(1.0), "idle": _part(2.0)}
    monkeypatch.setattr(__main__, "PARTS", fake)
    return fake


def _values(report: Report | None) -> list[float]:
    assert report is not None
    return [each.value for each in report.findings]


def test_a_contestant_that_fails_is_left_out_and_named(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    assert bench.run(_Failing(), strangers(10), 0) is None
    assert bench.report().skipped == {"failing, strangers": "no broker for strangers"}


def test_a_part_that_fails_is_named_and_the_others_are_measured(tmp_path: Path, two_parts: dict[str, Part]) -> None:
    two_parts["rate"] = Part(1.0, _broken)
    report = __main__.run(_bench(tmp_path, "--parts", "idle", "rate"))
    assert _values(report) == [2.0]
    assert report is not None
    assert report.skipped == {"rate": "nothing came of it, 20 times smaller"}


def test_resuming_measures_only_what_is_not_kept(tmp_path: Path, two_parts: dict[str, Part]) -> None:
    assert _values(__main__.run(_bench(tmp_path, "--parts", "rate"))) == [1.0]
    two_parts.update(rate=_part(3.0), idle=_part(4.0))
    assert _values(__main__.run(_bench(tmp_path, "--parts", "rate", "idle", "--resume"))) == [1.0, 4.0]
    assert _values(__main__.run(_bench(tmp_path, "--parts", "rate", "idle"))) == [3.0, 4.0]


@pytest.mark.parametrize("peer", PEERS, ids=[peer.name for peer in PEERS])
def test_every_contestant_is_compared_on_the_works_that_it_takes_part_in(peer: Peer) -> None:
    found = [work.name for work in _bench(Path()).works if parts._takes_part(peer, work)]
    if peer.name == "pair":
        assert found == ["strangers"]
    else:
        rows = ["rows-100", "rows-10", "rows-1"] if peer.name in {"forwarder", "limit"} else []
        assert found == ["zipf", *(["shop"] if peer.groups else []), "strangers", *rows]
