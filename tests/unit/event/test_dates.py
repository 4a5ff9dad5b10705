"""How a timestamp is written."""

from datetime import datetime, timedelta, timezone

import pytest

from forwarder.event.dates import last_part, timestamp

MOMENT = datetime(2016, 9, 11, 20, 4, 23, 456_789, timezone(timedelta(hours=2)))


def test_a_timestamp_is_in_utc_and_ends_with_a_z() -> None:
    assert timestamp(MOMENT) == "2016-09-11T18:04:23Z"
    assert timestamp(MOMENT, "milliseconds") == "2016-09-11T18:04:23.456Z"
    assert timestamp(MOMENT, "auto") == "2016-09-11T18:04:23.456789Z"
    assert timestamp(MOMENT.replace(microsecond=0), "auto") == "2016-09-11T18:04:23Z"


@pytest.mark.parametrize("year", [1, 476, 2016, 9999])
def test_a_timestamp_of_any_year_is_a_valid_date(year: int) -> None:
    assert last_part(timestamp(MOMENT.replace(year=year))) == "offset"


def test_a_moment_that_utc_cannot_name_is_refused() -> None:
    with pytest.raises(OverflowError):
        timestamp(datetime.min.replace(tzinfo=timezone(timedelta(hours=1))))


def test_a_date_of_any_length_is_judged_in_time() -> None:
    assert last_part("2016-09-11T18:04:23." + "9" * 1_000_000 + "Z") == "offset"
    assert last_part("2016-09-11T18:04:23." + "9" * 1_000_000 + "z") is None
