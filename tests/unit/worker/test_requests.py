"""Each request to try now is followed once, and at most one a second."""

import pytest
from structlog.testing import capture_logs

from forwarder.worker.requests import Requests
from tests.support.virtual.crowd import pacer


@pytest.mark.virtual_time
async def test_each_request_is_followed_once_and_at_most_one_a_second() -> None:
    now = [100.0]
    requests = Requests(pacer(), lambda: now[0])

    def followed(seconds: float, request: bytes | None) -> bool:
        now[0] += seconds
        with capture_logs() as lines:
            requests.heard(request)
        return bool(lines)

    assert not followed(0.0, b"a"), "made before this worker came"
    assert not followed(1.0, b"a")
    assert not followed(1.0, None)
    assert followed(0.1, b"b")
    assert not followed(0.5, b"c"), "too soon"
    assert not followed(0.4, b"d")
    assert followed(0.2, b"d"), "but not forgotten"
    assert not followed(5.0, b"d")
