"""What options of several commands are like."""

from typing import Annotated

from cyclopts import Parameter

Flag = Annotated[bool, Parameter(negative="")]
"""A switch without a "--no-" counterpart."""
