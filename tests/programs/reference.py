"""Writes the tables of settings and metrics into deploy/reference.md, from the code.

`python -m tests.programs.reference`
"""

import sys

from prometheus_client.metrics import MetricWrapperBase

from forwarder import config
from forwarder.metrics import Metrics
from tests.support.documents import REFERENCE, markdown_table, written


def settings() -> str:
    """A row for each setting: its name, its default, and its description."""
    rows = [[f"`{name}`", f"`{default}`" if default else "-", text] for name, default, text in config.documented()]
    return markdown_table(["setting", "default", "meaning"], rows)


def metrics() -> str:
    """A row for each metric: its name as a scrape shows it, with its labels, its type, and its description."""
    found = Metrics()
    labels = {
        next(iter(metric.describe())).name: metric._labelnames
        for metric in vars(found).values()
        if isinstance(metric, MetricWrapperBase)
    }
    rows = []
    for family in found._registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if labels[family.name]:
            name += "{" + ",".join(labels[family.name]) + "}"
        rows.append([f"`{name}`", family.type, family.documentation])
    return markdown_table(["metric", "type", "meaning"], rows)


#: The parts of the page that are written from the code.
PARTS = {"settings": settings, "metrics": metrics}


def main() -> int:
    """Writes the page, and names the tables that were out of date."""
    text = REFERENCE.read_text(encoding="utf-8")
    for name, table in PARTS.items():
        fresh = written(text, name, table())
        if fresh != text:
            sys.stdout.write(f"{REFERENCE.name}: the table of {name} is written anew\n")
        text = fresh
    REFERENCE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
