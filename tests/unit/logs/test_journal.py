"""In the journal of systemd each line of the log has a priority; nowhere else."""

import json
import logging
import os
import socket
import sys
from pathlib import Path

import pytest
import structlog

from forwarder.cli.output import problem
from forwarder.logs import Format
from forwarder.logs import setup as logs
from forwarder.logs.journal import leads_there
from forwarder.logs.writer import Writer


def named(descriptor: int) -> str:
    """As systemd names the stream that it has connected."""
    found = os.fstat(descriptor)
    return f"{found.st_dev}:{found.st_ino}"


def written(log_format: Format, file: Path, monkeypatch: pytest.MonkeyPatch, *, journal: bool) -> list[str]:
    """The lines of a log with an entry of each kind."""
    with file.open("wb") as stream:
        writer = Writer(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", named(stream.fileno()) if journal else "8:123")
        logs.configure(log_format, "debug", writer)
        log = structlog.get_logger()
        log.debug("looked")
        log.info("said", text="a\nb")
        log.warning("beware")
        try:
            int("of two\nlines")
        except ValueError:
            log.exception("failed")
        logging.getLogger("aiohttp").warning("from a library, of\ntwo lines")
        writer.drain(10)
    return file.read_text().splitlines()


def test_a_stream_is_the_journal_if_systemd_names_that_very_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children inherit the variable, also those with another standard error."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("w") as journal, theirs.makefile("w") as other:
        monkeypatch.setenv("JOURNAL_STREAM", named(ours.fileno()))
        assert leads_there(journal)
        assert not leads_there(other)
        for wrong in ("", ":", "8", "a:b", f"0:{named(ours.fileno()).partition(':')[2]}"):
            monkeypatch.setenv("JOURNAL_STREAM", wrong)
            assert not leads_there(journal)
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not leads_there(journal)


def test_each_json_line_begins_with_its_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written("json", tmp_path / "log", monkeypatch, journal=True)
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<4>"]
    levels = [json.loads(line[3:])["level"] for line in lines]
    assert levels == ["debug", "info", "warning", "error", "warning"]


def test_each_line_of_a_traceback_has_the_priority_of_its_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal makes an entry of each line; one without a priority would be info."""
    lines = written("console", tmp_path / "log", monkeypatch, journal=True)
    first = next(number for number, line in enumerate(lines) if "failed" in line)
    after = next(number for number, line in enumerate(lines) if "library" in line)
    assert after - first > 3
    assert {line[:3] for line in lines[first:after]} == {"<3>"}
    assert {line[:3] for line in lines[after:]} == {"<4>"}
    assert all("<" in line[:1] for line in lines)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_elsewhere_there_is_no_priority(log_format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(log_format, tmp_path / "log", monkeypatch, journal=False)
    assert not any(line.startswith("<") for line in lines)


def test_a_problem_that_ends_a_command_is_an_error_in_the_journal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem("one\nof two lines")
    monkeypatch.setenv("JOURNAL_STREAM", named(sys.stderr.fileno()))
    problem("one\nof two lines")
    assert capfd.readouterr().err == "forwarder: one\nof two lines\n<3>forwarder: one\n<3>of two lines\n"
