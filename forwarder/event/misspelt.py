"""Which member was probably meant as one of ours, although it has another name. Pure.

Its name may be shown to anyone: it is one of a few words, or differs from one of our names in one letter.
"""

from collections.abc import Iterable

#: What producers call our members, in small letters, without - and _.
_OTHERS = {
    "user_id": frozenset({"user", "uid", "id", "customer", "customerid", "memberid", "profileid"}),
    "name": frozenset({"event", "eventname", "eventtype", "type", "title"}),
    "date": frozenset(
        {"timestamp", "time", "datetime", "ts", "when", "createdat", "occurredat", "eventdate", "eventtime"}
    ),
}
#: Words that differ from one of our names in one letter, and mean something else.
_WORDS = frozenset({"data", "rate", "late", "game", "same", "names"})
#: The longest name that can be meant, with all its - and _.
_LONGEST = 16


def meant(member: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is probably `member`, which is missing; None if none is.

    Example: of ``userId`` and ``nam``, the first is meant as ``user_id``, the second as ``name``.
    """
    plain = member.replace("_", "")
    near = _with_one_less(plain)
    close = None
    for name in names:
        shown = name.strip()
        if len(shown) > _LONGEST or not (shown.isascii() and shown.isprintable()) or name in _OTHERS:
            continue
        found = shown.lower().replace("_", "").replace("-", "")
        if found == plain or found in _OTHERS[member]:
            return name
        if found not in _WORDS and near & _with_one_less(found):
            close = close or name
    return close


def _with_one_less(word: str) -> set[str]:
    """The word, and each word that lacks one of its letters. Two words that share one of these differ by one slip."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}
