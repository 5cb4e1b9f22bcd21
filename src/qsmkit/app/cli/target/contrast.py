"""`qsmkit target cnr`: how well images show a target."""

from pathlib import Path
from typing import Annotated

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import Many
from qsmkit.app.cli.target.labelled import contrast_of, parts, subject_of, together
from qsmkit.clinical.target.contrast import FORMULAS, contrast
from qsmkit.errors import InputError
from qsmkit.io.tables import write_table


def cnr(
    images: Annotated[list[Path], Many],
    /,
    *,
    labels: Path,
    pair: Annotated[list[str], Many],
    names: Path | None = None,
    by_side: Flag = False,
    reference: int | None = None,
    image_names: Annotated[list[str] | None, Many] = None,
    subject: str | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Compare the contrast of structures across images of one subject, by every named formula.

    The tables of many subjects are compared by qsmkit target cohort.

    Parameters
    ----------
    images
        Images on one grid (T1w, T2w, χ, hybrid); bring them there with qsmkit register --resampled.
    labels
        Label image on that grid.
    pair
        Structure and background as labels or names, such as 18:23 or gpi:internal_capsule; several are allowed.
    names
        TSV with columns index and name; the one beside the label image if omitted.
    by_side
        Left and right apart: structures are cut by the plane between the two parts of the first of the pair.
    reference
        Label of a homogeneous tissue, for cnr_reference.
    image_names
        What to call the images in the table (T1w QSM hybrid); from their BIDS names if omitted.
    subject
        Whose images they are; from the BIDS name of the first if omitted.
    out
        CSV or TSV file to write.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    called = image_names or [contrast_of(p) for p in images]
    if len(called) != len(images) or len(set(called)) < len(called):
        raise InputError(f"{len(images)} images are called {', '.join(called)}; give each a name of its own")
    volumes, marks = together(images, labels)
    whose = subject or subject_of(images[0])
    rows: list[dict[str, object]] = []
    for part in parts(volumes[0], marks, pair, labels, names, by_side=by_side):
        for name, volume in zip(called, volumes, strict=True):
            noise = None if reference is None else volume.data[marks == reference]
            found = contrast(volume.data[part.roi], volume.data[part.background], reference=noise)
            head = {"subject": whose, "side": part.side, "image": name, "pair": part.pair}
            for statistic, m in {"difference": found.difference, **found.cnr}.items():
                rows.append(head | {"statistic": statistic} | m.as_dict())
    if out:
        write_table(out, rows, overwrite=overwrite)
    if json:
        console.print_json(rows)
        return
    heads = ("side", "image", "pair", "statistic", "value", "low", "high")
    cells = [[f"{r[h]:.4g}" if isinstance(r[h], float) else str(r[h]) for h in heads] for r in rows]
    console.print_table(heads, cells, f"Formulas: {', '.join(FORMULAS)}")
    console.out.print("Contrast-to-noise is a weak surrogate of targeting accuracy.", markup=False)
    console.disclaim()
