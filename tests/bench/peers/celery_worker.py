"""A Celery application, and with the argument `load` what enqueues for it."""

import json
import sys
from pathlib import Path
from typing import Any

import requests
from celery import Celery
from celery.signals import worker_ready

from tests.bench.peers.pace import ELEMENTS, HEADERS, RATE, REDIS, address

app = Celery("bench", broker=REDIS)
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)
_session = requests.Session()  # each process of the pool opens its own connections
_session.headers.update(HEADERS)


def _post(user: str, event: dict[str, Any]) -> None:
    body = json.dumps({"events": [event]}, separators=(",", ":"))
    _session.post(address(user), data=body, timeout=10).raise_for_status()


post = app.task(name="post", rate_limit=f"{RATE}/s" if RATE else None)(_post)


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
