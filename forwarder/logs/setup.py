"""Logging: structlog writes one JSON object per line, or human-readable lines, and never a secret."""

import logging
import os
import time
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from forwarder.logs import Format
from forwarder.logs.journal import leads_there, with_priority
from forwarder.logs.printable import visible_lines
from forwarder.logs.redaction import hidden
from forwarder.logs.repeats import Repeats
from forwarder.logs.writer import Writer

log = structlog.get_logger()

#: Of this process; new ones with each :func:`configure`.
_repeats = Repeats(time.monotonic)
_writer: Writer | None = None


def _scrub(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        text = value if isinstance(value, str) else None if isinstance(value, int | float | bool) else repr(value)
        if text is not None and (without := hidden(text)) != text:
            event[name] = without
    return event


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escapes what would move the cursor of a terminal. JSON does so by itself."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = visible_lines(value)
    return event


class _Prioritized:
    """Renders an entry as `render` does, with its priority before each line."""

    def __init__(self, render: Processor) -> None:
        self._render = render

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        level = str(event.get("level"))  # which rendering may remove
        return with_priority(str(self._render(logger, name, event)), level)


def configure(log_format: Format, level: str, stream: TextIO | Writer) -> None:
    """Sets up structlog, and the standard library's logging (of aiohttp and asyncio) from warnings on."""
    global _repeats, _writer  # noqa: PLW0603 - structlog's own configuration is global, and these belong to it
    _repeats = Repeats(time.monotonic)
    _writer = stream if isinstance(stream, Writer) else None
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.processors.format_exc_info, _scrub, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.processors.format_exc_info,
            _scrub,
            _escape,
            structlog.dev.ConsoleRenderer(colors=stream.isatty() and not os.environ.get("NO_COLOR")),
        ]
    )
    if leads_there(stream):
        last[-1] = _Prioritized(last[-1])
    structlog.configure(
        processors=[_repeats, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # It writes a line and its end together, so that a full log never takes a half.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def write_repeated(*, at_once: bool = False) -> None:
    """Writes how often lines were dropped as repetitions, and how many could not be written.

    Call it every second, and with `at_once` at the end.
    """
    for each in _repeats.pending(at_once=at_once):
        getattr(log, each.level)(**each.fields)
    if _writer is not None and (lines := _writer.unreported()):
        log.warning("log lines were lost: they could not be written", lines=lines)


def dropped() -> int:
    """How many log lines of this process could not be written so far."""
    return _writer.dropped if _writer is not None else 0
