"""What `forwarder push --once` says when Redis is away."""

from pathlib import Path

import pytest

from forwarder.cli.once import Once
from forwarder.config import load
from forwarder.errors import ForwarderError


async def test_a_redis_that_is_not_there_is_said_in_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.retry.PATIENCE", 0.0)
    monkeypatch.setenv("FORWARDER_API_KEY", "key")
    monkeypatch.setenv("FORWARDER_REDIS_URL", "redis://127.0.0.1:1/0")
    once = Once(load(), tmp_path / "file", descriptor=-1, size=None)
    with pytest.raises(
        ForwarderError, match=r"Is it running\? \(FORWARDER_REDIS_URL\)\. Then run the same command again: "
    ):
        await once.run()
