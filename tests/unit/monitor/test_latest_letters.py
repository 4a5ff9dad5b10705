"""What the status page says of dead letters, and what it leaves to the command."""

from forwarder.monitor.latest_letters import Latest, hidden, revealed
from forwarder.queue.letters import DeadLetter


def letters(size: int) -> Latest:
    element = b'{"user_id":"u","name":"n","x":"%b"}' % (b"x" * size)
    return Latest(
        tuple((DeadLetter(f"{n}-0", element, "rejected", "400", "", "u", 10**15, 1), size) for n in range(20))
    )


def test_usual_letters_are_all_explained() -> None:
    assert not [each for each in hidden(letters(1_000)) if "dead show" in str(each["explanation"])]


def test_of_letters_that_take_long_to_explain_only_so_many_are() -> None:
    """Whoever pushes what is refused must not keep the service busy with it while a page is open."""
    left = [each["id"] for each in hidden(letters(30_000)) if "dead show" in str(each["explanation"])]
    assert left == [f"{n}-0" for n in range(2, 20)], "the latest are"


def test_what_this_service_did_not_write_is_shown_only_with_the_token() -> None:
    other = "s3cr3t@example.com"
    found = Latest(((DeadLetter("1-0", b"{}", other, other, other, other, 10**15, 1), 2),))
    assert other not in str(hidden(found))
    assert (hidden(found)[0]["reason"], hidden(found)[0]["status"]) == ("other", "other")
    (shown,) = revealed(found)
    assert (shown["detail"], shown["user_id"]) == (other, other)


def test_members_are_named_only_with_the_token() -> None:
    element = b'{"user_id":"u","name":"n","s3cr3t@example.com":1}'
    found = Latest(((DeadLetter("1-0", element, "rejected", "400", "", "u", 10**15, 1), 2),))
    assert "a member has an unusual character" in str(hidden(found))
    assert "s3cr3t@example.com" in str(revealed(found)[0]["explanation"])
