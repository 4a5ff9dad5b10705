"""The demo (placeholder until its module lands)."""

ALL_EVENTS = 69_659


async def run(*, events: int, faults: bool, keep: bool) -> int:
    """Runs."""
    return events + faults + keep
