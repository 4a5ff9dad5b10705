"""The files of the status page, and the headers that go with every answer."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePath

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

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def load() -> dict[str, tuple[str, str]]:
    """Text and content type by path, of every file in the folder `static`. `page.html` is at `/`."""
    found = sorted((files("forwarder.admin") / "static").iterdir(), key=lambda file: file.name)
    return {
        "/" if file.name == "page.html" else f"/{file.name}": (file.read_text(encoding="utf-8"), kind)
        for file in found
        if (kind := _KINDS.get(PurePath(file.name).suffix))
    }
