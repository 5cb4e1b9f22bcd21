"""Arms of trials, adjudicated events, and the agent, date and mass of depots.

Going down removes the columns, but the audit keeps their values; going up fills them again from there.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from qsmkit.io.store.chain import Replay, entries

revision = "0002"
down_revision = "0001"

_COLUMNS: dict[str, dict[str, type[TypeEngine[Any]]]] = {
    "patient": {"arm": sa.Text},
    "lesion": {"agent": sa.Text, "placed_on": sa.Date},
    "event": {"adjudication": sa.Text},
    "observation": {"mass": sa.Double, "mass_low": sa.Double, "mass_high": sa.Double},
}


def upgrade() -> None:
    """Add the columns, and what the audit knows of them."""
    for table, columns in _COLUMNS.items():
        for name, sort in columns.items():
            default = "pending" if name == "adjudication" else None
            op.add_column(table, sa.Column(name, sort(), nullable=default is None, server_default=default))
    replay = Replay()
    for entry in entries(op.get_bind()):
        replay.add(entry)
    for table, columns in _COLUMNS.items():
        target = sa.table(table, sa.column("id"), *(sa.column(name) for name in columns))
        for row_id, row in replay.rows.get(table, {}).items():
            known = {name: row[name] for name in columns if row.get(name) is not None}
            if known:
                op.execute(sa.update(target).where(target.c.id == row_id).values(known))


def downgrade() -> None:
    """Remove the columns."""
    for table, columns in _COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
