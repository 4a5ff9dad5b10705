"""What importing a producer loads, and how a producer works in threads and after a fork."""

import json
import subprocess
import sys

import pytest
from redis import Redis

from forwarder.demo.redis_server import EmbeddedRedis

HEAVY = {"aiohttp", "click", "prometheus_client", "pydantic", "rich", "structlog", "tenacity", "typer"}
#: A producer consists of these packages and modules of ours; an error needs fewer.
OURS = {"runtime", "errors", "event", "logs", "producer", "queue", "secret"}


@pytest.mark.parametrize("what", ["Producer", "SyncProducer", "MaybePushedError"])
def test_importing_it_brings_nothing_that_only_the_service_needs(what: str) -> None:
    code = f"import sys; from forwarder import {what}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = [name.split(".") for name in ran.stdout.split()]
    assert {path[0] for path in modules} & HEAVY == set()
    assert {path[1] for path in modules if path[0] == "forwarder" and len(path) > 1} <= OURS
    assert {path[2] for path in modules if path[:2] == ["forwarder", "logs"] and len(path) > 2} <= {"redaction"}


def test_one_may_be_shared_by_threads_and_survives_a_fork(each_server: EmbeddedRedis, queue_name: str) -> None:
    subprocess.run([sys.executable, "-c", _FORKING, each_server.url, queue_name], check=True, timeout=60)
    found: dict[str, list[int]] = {}
    with Redis.from_url(each_server.url) as redis:
        for element in redis.lrange(queue_name, 0, -1):
            members = json.loads(element)
            found.setdefault(members["user_id"], []).append(members["n"])
    assert found == {f"{side}-{thread}": list(range(100)) for side in ("child", "parent") for thread in range(20)}


_FORKING = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from forwarder import SyncProducer

producer = SyncProducer(sys.argv[1], queue=sys.argv[2])

def work(user):
    for number in range(100):
        producer.push(user, "test", n=number)

def all_of(side):
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(work, [f"{side}-{thread}" for thread in range(20)]))

producer.push("before", "test", n=0)
producer._channel.redis.lpop(sys.argv[2])
child = os.fork()
if child == 0:
    all_of("child")
    os._exit(0)
all_of("parent")
sys.exit(os.waitpid(child, 0)[1])
"""
