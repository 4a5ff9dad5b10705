"""One list element and the event in it: decode, validate, date. Pure.

element       the careful decoding of one element
fast_path     decodes many elements at once, as long as none needs careful decoding
"""

from forwarder.event.element import (
    Event,
    Invalid,
    decode,
    decode_page,
    name_of,
    one_line,
    replaced,
    user_of,
    with_date,
)

__all__ = [
    "Event",
    "Invalid",
    "decode",
    "decode_page",
    "name_of",
    "one_line",
    "replaced",
    "user_of",
    "with_date",
]
