"""A table that a document and a terminal show alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    """The first `texts` columns are words; the others are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1

    def markdown(self) -> str:
        """As GitHub reads it."""
        rule = "|" + "---|" * self.texts + "--:|" * (len(self.head) - self.texts)
        first, *rest = ["| " + " | ".join(line) + " |" for line in (self.head, *self.rows)]
        return "\n".join([first, rule, *rest, ""])

    def table(self) -> Table:
        """For a terminal."""
        found = Table(box=None, pad_edge=False)
        for number, name in enumerate(self.head):
            found.add_column(name, justify="left" if number < self.texts else "right")
        for row in self.rows:
            found.add_row(*(cell.replace("`", "") for cell in row))
        return found
