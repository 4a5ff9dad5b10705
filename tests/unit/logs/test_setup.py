import io
import json
import logging
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
import structlog

from forwarder.api.credentials import Credentials
from forwarder.logs import redaction as hiding
from forwarder.logs import setup as logs


def logger(log_format: Literal["json", "console"] = "json", level: str = "info") -> tuple[Any, io.StringIO]:
    stream = io.StringIO()
    logs.configure(log_format, level, stream)
    return structlog.get_logger("test"), stream


def test_a_line_is_one_json_object() -> None:
    log, stream = logger()
    log.warning("what\nhappened", count=3, text="a\nb", none=None)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["count"], found["text"]) == ("what\nhappened", "warning", 3, "a\nb")
    assert found["timestamp"].endswith("Z")


def test_lines_under_the_level_are_not_written() -> None:
    log, stream = logger(level="warning")
    log.info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written_wherever_it_stands(log_format: Literal["json", "console"]) -> None:
    log, stream = logger(log_format)
    hiding.hide("S3CRET")
    log.info("key S3CRET", error=ValueError("S3CRET"), nested={"a": ["S3CRET"]}, raw=b"S3CRET", url="redis://:S3CRET@x")
    try:
        int("S3CRET")
    except ValueError:
        log.exception("failed")
    logging.getLogger("aiohttp").error("S3CRET %s", "S3CRET")
    assert "S3CRET" not in stream.getvalue()
    assert "***" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written_in_another_form_or_in_part(log_format: Literal["json", "console"]) -> None:
    log, stream = logger(log_format)
    for secret in ("S3CRET", "S3CRET-and-more", "S3CRET/\\'\"é"):
        hiding.hide(secret)
        log.info(
            "said",
            text=f"a {secret}",
            listed=[secret],
            quoted=repr(secret),
            url=f"redis://:{quote(secret, safe='')}@h",
            key={secret: 1},
        )
        log.info("again", inner=json.dumps(secret))
    written = stream.getvalue()
    assert not re.search(r"S3CRET|and-more|\\'|%2F|é|u00e9", written), written


def test_a_secret_that_is_not_utf_8_is_hidden_too() -> None:
    """As Python has it of an environment variable that is not."""
    secret = b"S3CR\xffT".decode(errors="surrogateescape")
    hiding.hide(secret)
    assert hiding.hidden(f"{secret} {secret!r} {quote(secret, errors='surrogateescape')}") == "*** '***' ***"


def fail(text: str) -> None:
    raise ValueError(text)


def test_repetitions_are_dropped_and_their_number_is_a_line_of_its_own() -> None:
    log, stream = logger()
    for number in range(5):
        log.warning("POST not accepted", status="503", number=number, repeats=True)
        log.info("another line")
    logs.write_repeated()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["POST not accepted", *["another line"] * 5]
    assert (lines[0]["number"], "repeats" in lines[0]) == (0, False)
    logs.write_repeated(at_once=True)
    found = json.loads(stream.getvalue().splitlines()[-1])
    assert (found["event"], found["level"], found["line"], found["status"], found["times"], found["in_seconds"]) == (
        "more of the same",
        "warning",
        "POST not accepted",
        "503",
        4,
        0.0,
    )
    logs.write_repeated(at_once=True)
    assert len(stream.getvalue().splitlines()) == 7


def test_a_new_set_up_counts_anew() -> None:
    for _ in range(2):
        log, stream = logger()
        log.info("POST not accepted", status="503", repeats=True)
        assert "POST not accepted" in stream.getvalue()


def test_lines_for_people_move_no_cursor_and_forge_no_line() -> None:
    log, stream = logger("console")
    logging.getLogger("aiohttp").warning("trouble\x1b[2J\x9b\u202e")
    log.info("what", text="\x1b[2J", more="a\nb \x07", listed=["\x1b"])
    try:
        fail("\x1b[2J")
    except ValueError:
        log.exception("failed")
    written = stream.getvalue()
    assert not [char for char in written if not char.isprintable() and char != "\n"]
    assert len([line for line in written.splitlines() if line.startswith("2")]) == 3
    assert "Traceback (most recent call last):\n" in written, "that may have lines"


def test_hiding_nothing_hides_nothing() -> None:
    log, stream = logger()
    hiding.hide("")
    log.info("text")
    assert json.loads(stream.getvalue())["event"] == "text"


def test_a_key_from_a_file_is_hidden_and_so_is_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("S3CRET-1")
    log, stream = logger()
    credentials = Credentials(None, file)
    log.info("S3CRET-1", sent=credentials.authorization)
    file.write_text("S3CRET-2")
    credentials.reload()
    log.info("S3CRET-2", sent=credentials.authorization)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["sent"]) for line in lines] == [("***", "Basic ***")] * 2


def test_other_libraries_are_heard_from_warnings_on() -> None:
    _, stream = logger()
    logging.getLogger("aiohttp").info("chatter")
    logging.getLogger("aiohttp").warning("trouble")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "trouble"
