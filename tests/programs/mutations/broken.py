"""Copies of the tree that are broken on purpose."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
_COPIED = ("forwarder", "tests", "deploy", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Edit:
    """One piece of code, and what it becomes."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Breaks the tree at `root`; raises :class:`ValueError` unless the code stands there exactly once."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} times: {self.old}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@contextmanager
def broken(edits: Sequence[Edit]) -> Iterator[Path]:
    """A copy of the tree with these edits, as long as it is entered."""
    with tempfile.TemporaryDirectory(prefix="forwarder-mutation-") as scratch:
        copy = Path(scratch)
        for name in _COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        for edit in edits:
            edit.apply(copy)
        yield copy


def environment(copy: Path) -> Mapping[str, str]:
    """For a process that imports the copy instead of this tree."""
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
