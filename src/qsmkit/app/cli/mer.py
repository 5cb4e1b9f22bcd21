"""`qsmkit mer`: entry, exit and span of a nucleus along microelectrode tracks, proposed from loudness."""

from pathlib import Path
from typing import Any

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.mer.span import BASELINE, CONSECUTIVE, RISE, Span, propose_span
from qsmkit.io.mer import read_profiles
from qsmkit.io.tables import write_table


def mer(
    table: Path,
    /,
    *,
    baseline: int = BASELINE,
    rise: float = RISE,
    consecutive: int = CONSECUTIVE,
    patient: str | None = None,
    side: str | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Propose where each track enters and leaves the nucleus, for a reader to accept or correct.

    Parameters
    ----------
    table
        CSV, TSV or Excel file: depth (RecordingSiteDTT or depth_mm, mm above the target) and RMS of each channel; or
        depth and file, the raw recording at that depth.
    baseline
        Uppermost sites that are the background.
    rise
        Normalised RMS from which a site is loud.
    consecutive
        Loud sites in a row that make an entry.
    patient
        Written beside each channel, for qsmkit agree --on.
    side
        Likewise.
    out
        CSV or TSV file to write, a row a channel, to be joined by qsmkit agree.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    found = {
        p.channel: propose_span(p.depth, p.rms, baseline=baseline, rise=rise, consecutive=consecutive)
        for p in read_profiles(table)
    }
    if out:
        whose = {name: value for name, value in (("patient", patient), ("side", side)) if value is not None}
        rows = [whose | {"track": name} | _row(span) for name, span in found.items()]
        write_table(out, rows, overwrite=overwrite)
    if json:
        console.print_json({
            name: None if s is None else {
                "entry": s.entry.as_dict(), "exit": s.exit.as_dict(), "span": s.span.as_dict(),
                "open_end": s.open_end, "intervals": s.intervals,
            }
            for name, s in found.items()
        })  # fmt: skip
        return
    lines = [
        (name, str(s.entry), str(s.exit), str(s.span), "an end was not seen: a lower bound" if s.open_end else "")
        if s else (name, "none", "none", "none", f"no {consecutive} sites in a row are {rise:g} times the background")
        for name, s in found.items()
    ]  # fmt: skip
    console.print_table(("track", "entry", "exit", "span", "note"), lines, "Proposed; mm above the target")
    console.disclaim()


def _row(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"entry_mm": None, "exit_mm": None, "span_mm": None, "open_end": None}
    values = {f"{name}_mm": getattr(span, name).value for name in ("entry", "exit", "span")}
    return values | {"open_end": span.open_end}
