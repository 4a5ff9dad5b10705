"""Logging: structlog, one JSON object a line, or for eyes; and no secret, whatever is logged."""

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: One JSON object a line, or for eyes.
Format = Literal["json", "console"]

_secrets: set[str] = set()


def hide(secret: str) -> None:
    """Replaces `secret` in everything that is logged from now on; the last line of defence."""
    if secret:
        _secrets.add(secret)


def _scrub(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        text = value if isinstance(value, str) else None if isinstance(value, int | float | bool) else repr(value)
        if text is not None and any(secret in text for secret in _secrets):
            for secret in _secrets:
                text = text.replace(secret, "***")
            event[name] = text
    return event


class _Unfailing:
    """A stream whose trouble is nobody else's: a full disk or a reader that is gone costs lines, never events."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: closed
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and not self._stream.closed and self._stream.isatty()


def configure(log_format: Format, level: str, stream: TextIO | None = None) -> None:
    """Sets up structlog, and the standard library's logging (aiohttp's, asyncio's) from warnings on."""
    # A process may be started without a standard error: Python then has None.
    unfailing = _Unfailing(stream or sys.stderr)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.processors.format_exc_info, _scrub, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.processors.format_exc_info, _scrub, structlog.dev.ConsoleRenderer(colors=unfailing.isatty())]
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
