"""The files of the status page, and the headers that go with every answer."""

from collections.abc import Mapping
from importlib.resources import files

#: What a browser may do with an answer: load and run the page's own files, send requests to this service, nothing else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: Path, file and content type.
_FILES = (
    ("/", "page.html", "text/html"),
    ("/page.css", "page.css", "text/css"),
    ("/page.js", "page.js", "text/javascript"),
)


def load() -> dict[str, tuple[str, str]]:
    """Text and content type by path."""
    folder = files("forwarder.admin") / "static"
    return {path: ((folder / name).read_text(encoding="utf-8"), kind) for path, name, kind in _FILES}
