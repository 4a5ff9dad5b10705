"""`forwarder push` takes what people have: a log that grows, gzip by any name, a byte order mark, an absurd line."""

import asyncio
import gzip
import os
import re
import signal
import sys
import zlib
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.faults import fault
from tests.support.processes import Fork
from tests.support.service import command, event, eventually


def given(redis_url: str, queue_name: str) -> dict[str, str]:
    return {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@fault(
    "producer",
    "the input of `forwarder push -` pauses, and a signal comes, as with `tail -F`",
    "what was read is pushed after 0.2 s; the command says exactly what was pushed",
    keeps=(1,),
)
async def test_what_comes_slowly_is_pushed_soon_and_a_signal_loses_none_of_it(
    redis_url: str, redis_client: Redis, queue_name: str, tmp_path: Path, number: int
) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "out").open("w+b") as out:
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **given(redis_url, queue_name)}
        process = Fork(["push", "-"], environment, stdin=reading, stdout=out.fileno(), stderr=out.fileno())
        try:
            os.write(writing, event("u", 1)[:7])
            for count in (1, 2, 3):
                os.write(writing, event("u", count)[7:] + b"\n" + event("u", count + 1)[:7])

                async def pushed(count: int = count) -> bool:
                    return bool(await redis_client.llen(queue_name) == count)

                await eventually(pushed, within=10, what="all but the line that has only begun is pushed")
            process.send_signal(number)
            assert await asyncio.wait_for(process.ended(), 10) == 128 + number
        finally:
            process.kill()
        said = (tmp_path / "out").read_text()
    os.close(writing)
    assert "pushed 3 events" in said
    assert "interrupted; 3 events were pushed. Lines 1 to 3 were handled; continue from line 4" in said
    assert await redis_client.lrange(queue_name, 0, -1) == [event("u", count) for count in (1, 2, 3)]


async def test_gzip_and_byte_order_marks_are_recognised_wherever_they_are(
    redis_url: str, redis_client: Redis, queue_name: str, tmp_path: Path
) -> None:
    mark, elements = b"\xef\xbb\xbf", [event("u", number) for number in range(4)]
    first, second = (mark + b"\r\n".join(each) + b"\r\n" for each in (elements[:2], elements[2:]))
    files = {
        "events.txt": gzip.compress(first) + gzip.compress(second),
        "events.gz": first + second,
        "-": gzip.compress(first + second),
    }
    for name, content in files.items():
        path = name if name == "-" else str(tmp_path / name)
        if name != "-":
            (tmp_path / name).write_bytes(content)
        code, out, err = await command(
            "push", path, environment=given(redis_url, queue_name), stdin=content if name == "-" else b""
        )
        assert (code, "pushed 4 events" in out, err) == (0, True, ""), name
        assert await redis_client.lrange(queue_name, 0, -1) == elements
        await redis_client.delete(queue_name)


@fault(
    "producer",
    "60 KB of gzip hold one line of 60 MB",
    "the line is named and skipped; a few megabytes of memory are used",
    keeps=(7,),
)
async def test_a_line_of_any_length_takes_little_memory(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "forwarder", "push", "-"),
        env={**os.environ, "NO_COLOR": "1", **given(redis_url, queue_name)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    packer = zlib.compressobj(wbits=31)

    async def pushed(count: int) -> None:
        async def there() -> bool:
            return bool(await redis_client.llen(queue_name) == count)

        await eventually(there, within=60)

    def most_memory() -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    process.stdin.write(packer.compress(event("u", 1) + b"\n") + packer.flush(zlib.Z_SYNC_FLUSH))
    await pushed(1)
    before = most_memory()
    for _ in range(60):
        process.stdin.write(packer.compress(b"x" * 1_000_000))
    process.stdin.write(packer.compress(b"\n" + event("u", 3) + b"\n") + packer.flush(zlib.Z_SYNC_FLUSH))
    await pushed(2)
    assert most_memory() - before < 4 * 1024 * 1024
    _, err = await asyncio.wait_for(process.communicate(b""), 30)
    lines = err.decode().splitlines()
    assert lines[0].startswith("forwarder: line 2: too long: 60000000 bytes"), lines
    assert "the gzip data ends too soon; 2 events were pushed. Lines 1 to 3 were handled" in lines[1]
    assert process.returncode == 1
