"""The registry's tables and its audit, whose entries are neither changed nor deleted."""

import sqlalchemy as sa
from alembic import op

from qsmkit.errors import InputError

revision = "0001"
down_revision = None

# Of each column: name, type, "!" if a value must be there, and the table whose rows it names.
_TABLES = {
    "site": "id text!, name text",
    "scanner": "id text!, site text site, vendor text, model text, software text, field_strength number, "
               "serial_hash text",
    "patient": "id text!, site text site, sex text!, birth_year integer, genotype text!, familial flag, consent text!",
    "session": "id text!, patient text! patient, visit text!, date date!, days_from_index integer, "
               "scanner text scanner, protocol text, gadolinium flag, hematocrit number, age number",
    "series": "id text!, session text! session, echo_times json, voxel json, b0 json, path text, sha256 text",
    "recon": "id text!, session text! session, pipeline text!, version text!, revision text, parameters json, "
             "reference text, container text, path text, sha256 text",
    "lesion": "id text!, patient text! patient, label text!, kind text!, location text, mars text, "
              "index_lesion flag!, first_seen text session, status text!",
    "observation": "id text!, lesion text! lesion, recon text! recon, rater text!, method text!, reading integer!, "
                   "mask text, mask_sha256 text, rule text, centre json, voxels integer, volume number, "
                   "mean number, mean_low number, mean_high number, noise number, noise_degrees number, "
                   "median number, maximum number, p95 number, sd number, chi_total number, chi_total_low number, "
                   "chi_total_high number, chi_background number, reference_sd number, permeability number, "
                   "verdict text!, note text",
    "link": "id text!, parent text lesion, child text lesion, before text session, after text! session, "
            "relation text!, iou number, distance number, hausdorff number, decision text!, decided_by text",
    "event": "id text!, patient text! patient, lesion text lesion, type text!, onset date!, precision text!, "
             "adjudicators json, definition text",
    "clinical": "id text!, session text! session, mrs integer, nihss integer, eq5d number, promis number, drugs text",
    "qc": "id text!, recon text! recon, check text!, value number, unit text, verdict text!, reader text!",
    "audit": "seq big!, time text!, actor text!, action text!, table text, row text, before text, after text, "
             "reason text, previous text!, hash text!",
}  # fmt: skip

_UNIQUE = {
    "session": ("patient", "visit"),
    "lesion": ("patient", "label"),
    "observation": ("lesion", "recon", "rater", "method", "reading"),
    "clinical": ("session",),
}

_TYPES = {
    "text": sa.Text, "integer": sa.Integer, "big": sa.BigInteger, "number": sa.Double, "flag": sa.Boolean,
    "date": sa.Date, "json": sa.JSON,
}  # fmt: skip

_SQLITE = """
CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
_POSTGRESQL = (
    "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$",
    "CREATE TRIGGER audit_rows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_all BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
)


def upgrade() -> None:
    """Make the tables."""
    for name, described in _TABLES.items():
        op.create_table(name, *(_column(*words.split()) for words in described.split(", ")))
        for words in described.split(", "):
            column, _, *refers = words.split()
            if refers:
                op.create_index(f"ix_{name}_{column}", name, [column])
    for name, columns in _UNIQUE.items():
        op.create_index(f"unique_{name}_{'_'.join(columns)}", name, list(columns), unique=True)
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(verb=verb))
    else:
        for statement in _POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    """Refuse: below this there is no registry."""
    raise InputError("this is the first schema, and below it there is no registry; delete the database instead")


def _column(name: str, sort: str, refers: str = "") -> "sa.Column[object]":
    target = [sa.ForeignKey(f"{refers}.id")] if refers else []
    key = name in ("id", "seq")
    return sa.Column(name, _TYPES[sort.rstrip("!")](), *target, primary_key=key, nullable=not sort.endswith("!"),
                     autoincrement=False)  # fmt: skip
