"""Logging: structlog, one JSON object a line, or for eyes; and no secret, whatever is logged or goes wrong."""

import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from forwarder.logs import Format
from forwarder.logs.printable import visible_lines
from forwarder.logs.redaction import hidden
from forwarder.logs.stream import Unfailing


def _scrub(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        text = value if isinstance(value, str) else None if isinstance(value, int | float | bool) else repr(value)
        if text is not None and (without := hidden(text)) != text:
            event[name] = without
    return event


def _for_eyes(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Leaves nothing in it that moves a cursor; JSON escapes that by itself."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = visible_lines(value)
    return event


def configure(log_format: Format, level: str, stream: TextIO | None = None) -> None:
    """Sets up structlog, and the standard library's logging (aiohttp's, asyncio's) from warnings on."""
    # A process may be started without a standard error: Python then has None.
    unfailing = Unfailing(stream or sys.stderr)
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
            _for_eyes,
            structlog.dev.ConsoleRenderer(colors=unfailing.isatty()),
        ]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", unfailing)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(unfailing)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
