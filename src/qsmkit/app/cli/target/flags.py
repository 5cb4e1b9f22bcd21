"""What options of several subcommands are like."""

from cyclopts import Parameter

Point = tuple[float, float, float]

Many = Parameter(consume_multiple=True)
"""A list after one flag."""

AXES = ("x", "y", "z")
