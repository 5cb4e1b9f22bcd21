"""`qsmkit monitor export`: the registry as tables, for REDCap, as FHIR, or as measurements for a DICOM report."""

from pathlib import Path
from typing import Literal

from cyclopts import App

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Patient

app = App(name="export", help="Write what is in a registry for other programs.")


@app.command
def tables(
    registry: str,
    out: Path,
    /,
    *,
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Write every table, and flat measurements with all that they depend on, into a folder.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    out
        Folder to make. columns.json in it says what the columns mean; `import` reads the tables back.
    format
        "csv", or "parquet", which needs the extra of that name.
    overwrite
        Replace an export that is there.
    json
        Print the number of rows as JSON on stdout.
    """
    from qsmkit.io.store.columnar import export_tables

    with Registry.open(registry, readonly=True) as opened:
        _tell(opened, export_tables(opened, out, format, overwrite=overwrite), out, json)


@app.command
def redcap(registry: str, out: Path, /, *, overwrite: Flag = False, json: Flag = False) -> None:
    """Write a longitudinal REDCap project with repeating instruments: data dictionary, events and records.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    out
        Folder to make.
    overwrite
        Replace an export that is there.
    json
        Print the number of records, events and lines as JSON on stdout.
    """
    from qsmkit.io.store.redcap import export_redcap

    with Registry.open(registry, readonly=True) as opened:
        _tell(opened, export_redcap(opened, out, overwrite=overwrite), out, json)


@app.command
def fhir(registry: str, out: Path, /, *, overwrite: Flag = False, json: Flag = False) -> None:
    """Write patients, lesions and measurements as a FHIR R4 bundle.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    out
        File to make, .json.
    overwrite
        Replace a file that is there.
    json
        Print the number of resources as JSON on stdout.
    """
    from qsmkit.io.store.fhir import export_fhir

    with Registry.open(registry, readonly=True) as opened:
        _tell(opened, {"resources": export_fhir(opened, out, overwrite=overwrite)}, out, json)


@app.command
def findings(registry: str, session: str, out: Path, /, *, overwrite: Flag = False, json: Flag = False) -> None:
    """Write a visit's measurements as the table of which `qsmkit export sr` makes a DICOM structured report.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    session
        Identifier of the visit.
    out
        CSV or TSV file to make. Lesions keep their Tracking UID at every visit.
    overwrite
        Replace a file that is there.
    json
        Print the number of measurements as JSON on stdout.
    """
    from qsmkit.io.store.findings import export_findings

    with Registry.open(registry, readonly=True) as opened:
        made = export_findings(opened, session, out, overwrite=overwrite)
        _tell(opened, {"measurements": made}, out, json)
    console.say(f"next: qsmkit export sr {out} report.dcm --reference SERIES")


def _tell(opened: Registry, made: dict[str, int], out: Path, json: bool) -> None:
    if json:
        console.print_json(made)
    else:
        console.say(f"{', '.join(f'{number} {name}' for name, number in made.items() if number)} → {out}")
    withdrawn = [patient.id for patient in opened.rows(Patient, consent="withdrawn")]
    if withdrawn:
        console.say(f"warning: consent is withdrawn of {', '.join(withdrawn)}; see whether the export may hold them")
    console.say(f"pseudonyms and shifted dates still are about persons: share with care. {console.DISCLAIMER}")
