"""Whose CPU a sample is."""

from tests.bench.profile import steps


def test_a_sample_counts_for_the_innermost_step_and_libraries_for_the_step_that_called_them() -> None:
    main = "main (forwarder/cli/__init__.py:1);run (asyncio/base_events.py:2)"
    samples = "\n".join(
        [
            f"{main};post (forwarder/delivery.py:3);post (forwarder/api.py:4);request (aiohttp/client.py:5) 7",
            f"{main};run (forwarder/intake.py:3);decode_page (forwarder/event.py:4);usual (forwarder/usual.py:5) 4",
            f"{main};settle (forwarder/settlement.py:1);run (forwarder/queue/scripts.py:4);x (redis/client.py:5) 2",
            f"{main};deliver (forwarder/delivery.py:9) 1",
            f"{main};select (selectors.py:1) 3",
        ]
    )
    assert steps(samples) == {"api": 7, "usual": 4, "queue": 2, "delivery": 1, "event loop": 3}
