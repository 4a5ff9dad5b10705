"""The set-up of the log is that of the whole process. No test leaves its own behind."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from forwarder.logs import redaction


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_secrets", set())
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
