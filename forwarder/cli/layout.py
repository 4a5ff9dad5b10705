"""Sentences and tables as lines of text, for a terminal of any width. Pure.

No line ends in spaces, and no word is cut: a line that is still too long is left to the terminal.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from forwarder.logs.printable import breaks

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Paper:
    """What is written on.

    Attributes:
        width: columns; None if there is no limit, as in a pipe.
        unicode: whether it shows more than ASCII.
    """

    width: int | None = None
    unicode: bool = True

    @property
    def more(self) -> str:
        """What stands before what is left out."""
        return "…" if self.unicode else "..."

    def holds(self, lines: Iterable[Text]) -> bool:
        """Whether no line is too long."""
        return self.width is None or all(line.cell_len <= self.width for line in lines)


def wrapped(text: Text, paper: Paper, begin: Text | None = None) -> Iterator[Text]:
    """The lines of a sentence. Commands between backticks stay whole.

    `begin` stands before the first line, and the others are indented as far.
    """
    begin = begin or Text()
    at = () if paper.width is None else breaks(text.plain, paper.width - begin.cell_len)
    for number, line in enumerate(text.divide(at)):
        line.rstrip()
        yield (Text(" " * begin.cell_len) if number else begin.copy()).append_text(line)


def joined(blocks: Iterable[Iterable[Text]]) -> Iterator[Text]:
    """The lines of all blocks, with an empty line between two of them."""
    filled = [lines for lines in map(list, blocks) if lines]
    for number, lines in enumerate(filled):
        yield from ([Text()] if number else ())
        yield from lines


def table(rows: Sequence[Sequence[Text]], *, right: Collection[int] = ()) -> list[Text]:
    """The rows with aligned columns. The texts of the columns in `right` end together, those of the others begin so."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = Text()
        for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cell.cell_len)
            line.append(space if column in right else "").append_text(cell)
            line.append(_GAP if column in right else space + _GAP)
        line.rstrip()
        lines.append(line)
    return lines


def flow(cells: Sequence[Text], paper: Paper, begin: str = _GAP) -> Iterator[Text]:
    """The cells one after the other, in lines that end between two of them."""
    line = Text(begin)
    for place, cell in enumerate(cells):
        after = "," if place < len(cells) - 1 else ""
        if line.plain != begin and not paper.holds([line.copy().append(" ").append_text(cell).append(after)]):
            yield line
            line = Text(begin)
        line.append("" if line.plain == begin else " ").append_text(cell).append(after)
    yield line
