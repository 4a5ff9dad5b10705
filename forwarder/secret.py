"""A secret from a variable or a file, without what editors, shells and copying put around it."""

from pathlib import Path

#: What is around a secret by accident: blanks, line ends, a byte order mark, and a blank without width.
_AROUND = " \t\r\n\v\f\u00a0\u200b\ufeff"
_QUOTES = frozenset({'""', "''", "``", "\u201c\u201d", "\u2018\u2019"})
#: Byte order marks of UTF-16. Windows PowerShell writes it when output is redirected to a file.
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def cleaned(text: str) -> str:
    """The secret in `text`; empty if there is none.

    Example: a file with a byte order mark, ``key`` and a line end holds ``key``.

    Raises:
        ValueError: what is wrong with it, without quoting it. It is never repaired further than this: what is between
            quotation marks may be a secret, or half of one.
    """
    secret = text.strip(_AROUND)
    if len(secret) > 1 and secret[0] + secret[-1] in _QUOTES:
        raise ValueError("starts and ends with a quotation mark: remove them")
    if len(secret.splitlines()) > 1:
        raise ValueError("contains more than one line: keep the one with the secret")
    if any(character.isspace() for character in secret):
        raise ValueError("contains a blank: remove it; in a URL, write %20")
    if not secret.isprintable():
        raise ValueError("contains a control character, or one that is invisible: type it anew")
    return secret


def read(file: Path) -> str:
    """The secret in a file.

    Raises:
        ValueError: what is wrong with the file, which it names; see :func:`shown_file`.
    """
    shown = shown_file(file)
    try:
        content = file.read_bytes()
        if content.startswith(_UTF_16):
            raise ValueError(f"{shown} is UTF-16: save it as UTF-8")
        text = content.decode()
    except OSError as error:
        raise ValueError(f"cannot read {shown}: {error.strerror or type(error).__name__}") from error
    except UnicodeDecodeError:
        raise ValueError(f"cannot read {shown}: not UTF-8") from None  # the error holds the content
    try:
        secret = cleaned(text)
    except ValueError as error:
        raise ValueError(f"{shown} {error}") from None
    if not secret:
        raise ValueError(f"{shown} is empty")
    return secret


def shown_file(file: object) -> str:
    """The name of a secret's file, for messages. A relative path is not shown: it may be the secret, set by mistake."""
    return str(file) if Path(str(file)).is_absolute() else "the file (not an absolute path, so it is not shown)"
