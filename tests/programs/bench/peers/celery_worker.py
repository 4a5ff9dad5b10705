"""A Celery application, and with the argument `load` what enqueues for it."""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import requests
from celery import Celery
from celery.signals import worker_ready
from requests.adapters import HTTPAdapter

from tests.programs.bench.peers.pace import AT_ONCE, ELEMENTS, HEADERS, RATE, REDIS, address

app = Celery("bench", broker=REDIS)
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)
_session = requests.Session()
_session.headers.update(HEADERS)
_session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))


class _Pace:
    """Evenly spaced turns for all threads; Celery's own rate_limit let through one task a second here."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next = 0.0
        self._lock = threading.Lock()

    def turn(self) -> None:
        if self._rate:
            with self._lock:
                now = time.monotonic()
                self._next = mine = max(now, self._next + 1 / self._rate)
            time.sleep(mine - now)


_pace = _Pace(RATE)


def _post(user: str, event: dict[str, Any]) -> None:
    _pace.turn()
    body = json.dumps({"events": [event]}, separators=(",", ":"))
    _session.post(address(user), data=body, timeout=10).raise_for_status()


post = app.task(name="post")(_post)


def _ready(**_: object) -> None:
    print("ready", flush=True)


worker_ready.connect(_ready)


def load() -> None:
    with app.producer_or_acquire() as producer:
        for line in Path(ELEMENTS).read_bytes().splitlines():
            event = json.loads(line)
            post.apply_async((event.pop("user_id"), event), queue="held", producer=producer)


if __name__ == "__main__" and sys.argv[1:] == ["load"]:
    load()
