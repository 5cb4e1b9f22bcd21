"""What the program says: results on stdout, everything else on stderr."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from qsmkit.errors import QsmkitError
from qsmkit.io.sidecar import as_json

DISCLAIMER = "Research use only. Not a medical device."


class UsageError(QsmkitError):
    """The command was put together wrongly; exit status 2."""


out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of plain text on stderr, where it does not mix with results."""
    err.print(text, markup=False)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, and nothing else; NaN becomes null."""
    sys.stdout.write(as_json(value))


def disclaim() -> None:
    """Print below results of clinical meaning what they are not to be used for."""
    out.print(DISCLAIMER, markup=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table on stdout."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


class StepProgress:
    """A bar on a terminal, a line a step elsewhere; callable as `pipeline.run.Progress`."""

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._name = name
        self._quiet = quiet
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err,
            transient=True, disable=quiet or not err.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(name, total=None)

    def __enter__(self) -> "StepProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, number: int, total: int, method: str) -> None:
        """Show that step `number` of `total` begins."""
        self._bar.update(self._task, completed=number - 1, total=total, description=f"{self._name}  {method}")
        if not self._quiet and not err.is_terminal and number <= total:
            say(f"{self._name}: step {number}/{total} {method}")
