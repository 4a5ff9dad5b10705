"""The runbook as a page, so that a link from a warning leads to what to do, also where no repository is at hand."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Runbook · forwarder</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="page.css">
</head>
<body class="text">
<main>
<p><a href="./">Status page</a></p>
{text}</main>
</body>
</html>
"""


@cache
def page() -> str:
    """The runbook as HTML, made once, in about 30 ms.

    Pictures, and links to other files of the repository, are left out: they lead nowhere here.
    """
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(_source().read_text(encoding="utf-8"))
    for token in tokens:
        if token.children:
            token.children = _within_this_page(token.children)
    _name_the_headings(tokens)
    return _PAGE.format(text=markdown.renderer.render(tokens, markdown.options, {}))


def _source() -> Traversable:
    """In an installed package beside the page's other files; in a checkout where it is written."""
    shipped = files("forwarder.admin") / "static" / "runbook.md"
    return shipped if shipped.is_file() else Path(__file__).parents[2] / "deploy" / "runbook.md"


def _within_this_page(tokens: list[Token]) -> list[Token]:
    kept: list[Token] = []
    linked: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            linked.append(str(token.attrs["href"]).startswith(("#", "https:")))
        leads_somewhere = linked.pop() if token.type == "link_close" else not linked or linked[-1]
        if token.type == "image" or (token.type in ("link_open", "link_close") and not leads_somewhere):
            continue
        kept.append(token)
    return kept


def _name_the_headings(tokens: list[Token]) -> None:
    """Gives each heading the anchor that a reader of the repository knows: in lower case, with - for spaces."""
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(each for each in content.content.lower() if each.isalnum() or each in " -_")
            opening.attrSet("id", words.replace(" ", "-"))
