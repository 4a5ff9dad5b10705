"""The address and the body of a POST."""

import json

import pytest

from forwarder.api.request import BATCH_OVERHEAD, encode_batch, path_segment


@pytest.mark.parametrize(
    ("user", "segment"),
    [
        ("u-1", "u-1"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("é", "%C3%A9"),
        ("%2e", "%252e"),
        ("a b+c", "a%20b%2Bc"),
        ("a\r\nb", "a%0D%0Ab"),
        ("😀", "%F0%9F%98%80"),
    ],
)
def test_a_user_is_one_segment_of_the_path(user: str, segment: str) -> None:
    assert path_segment(user) == segment


def test_a_batch_is_spliced_and_its_size_is_known() -> None:
    bodies = [b'{"name":"a"}', b'{"name":"b"}']
    body = encode_batch(bodies)
    assert json.loads(body) == {"events": [{"name": "a"}, {"name": "b"}]}
    assert len(body) == BATCH_OVERHEAD + sum(map(len, bodies)) + 1
