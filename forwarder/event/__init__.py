"""One list element and the event in it: decode, validate, date. Pure.

element       the event in one element, decoded with care
fast_path     decodes many elements at once, as long as none of them needs care
members       the members of a JSON object with their original bytes: UTF-8, depth, lone surrogates
flaws         what is wrong with an invalid element: a value, its text, and the way back
misspelt      which member was probably meant as one of ours
dates         which dates are valid, and how a timestamp is written
"""

from forwarder.event.element import Event, Invalid, name_of, one_line, replaced, user_of, with_date
from forwarder.event.fast_path import decode, decode_page
from forwarder.event.flaws import Flaw, Problem

__all__ = [
    "Event",
    "Flaw",
    "Invalid",
    "Problem",
    "decode",
    "decode_page",
    "name_of",
    "one_line",
    "replaced",
    "user_of",
    "with_date",
]
