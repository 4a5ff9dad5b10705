"""Which step's CPU a sample is."""

from tests.programs.bench.profile import lines, steps

MAIN = "main (forwarder/cli/app.py:1);run (forwarder/runtime/loop.py:5);run (asyncio/base_events.py:2)"
POST = "post (forwarder/pipeline/delivery.py:3);post (forwarder/api/client.py:4);request (aiohttp/client.py:5)"
DECODE = "run (forwarder/pipeline/intake.py:3);decode_page (forwarder/event/element.py:4);f (forwarder/event/x.py:5)"
SETTLE = "settle (forwarder/pipeline/settlement.py:1);run (forwarder/queue/wire/scripts.py:4);x (redis/client.py:5)"
DELIVER = "deliver (forwarder/pipeline/delivery.py:9)"


def test_a_sample_counts_for_the_innermost_step_and_libraries_for_the_step_that_called_them() -> None:
    samples = [f"{POST} 7", f"{DECODE} 4", f"{SETTLE} 2", f"{DELIVER} 1", "select (selectors.py:1) 3"]
    found = steps("\n".join(f"{MAIN};{sample}" for sample in samples))
    assert found == {"client": 7, "event": 4, "queue": 2, "delivery": 1, "event loop": 3}


def test_the_table_is_sorted_by_cost_and_small_steps_share_a_line() -> None:
    many = {"all": 10.0, "api": 1.0, "queue": 8.8, "brake": 0.1, "gate": 0.1}
    one = {"all": 100.0, "api": 90.0, "queue": 9.0, "brake": 1.0}
    assert lines([many, one]) == [
        ["all", "10.00", "100.00"],
        ["api", "1.00", "90.00"],
        ["queue", "8.80", "9.00"],
        ["the other steps", "0.20", "1.00"],
    ]


def test_the_thread_that_waits_for_lines_of_the_log_is_left_out() -> None:
    waiting = "_bootstrap (threading.py:1);_work (forwarder/logs/writer.py:97)"
    assert steps(f"{MAIN};{DELIVER} 1\n{waiting} 20") == {"delivery": 1}
