"""Deep grey nuclei from files to files: which atlas, and what is written."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.clinical.nuclei.atlas import Atlas, built_in, from_labels
from qsmkit.clinical.nuclei.segment import Nuclei
from qsmkit.clinical.nuclei.structures import structures
from qsmkit.io.atlas import read_atlas
from qsmkit.io.atomic import replacing_folder, write_text
from qsmkit.io.nifti import save_volume
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import write_table
from qsmkit.io.template import load_template
from qsmkit.pipeline.provenance import file_hash, software

BUILT_IN = "built-in"
"""What the atlas of solids is called."""

LABELS, NAMES, TABLE, RECORD = "dseg.nii.gz", "dseg.tsv", "nuclei.tsv", "nuclei.json"
"""Names of the files that are written; probability maps are called label-NAME_probseg.nii.gz."""

PICTURE = "nuclei_{}.png"
"""Name of the picture of an image."""


def load_atlas(atlas: str | Path = BUILT_IN) -> tuple[Atlas, tuple[Path, ...]]:
    """Return an atlas and the files it came from.

    Parameters
    ----------
    atlas : str or Path
        "built-in", or what `io.atlas.read_atlas` reads. If it has no T1w template of its own, the MNI152 one is used.

    Raises
    ------
    InputError
        The atlas cannot be read, or holds no known nucleus.
    MissingExtraError
        The MNI152 template is needed and not installed.
    """
    if str(atlas) == BUILT_IN:
        return built_in(load_template()["t1"]), ()
    files = read_atlas(Path(atlas))
    template = files.template or load_template()["t1"]
    return from_labels(files.name, files.labels, files.names, template), files.sources


def results_folder(out: Path, *, overwrite: bool = False) -> AbstractContextManager[Path]:
    """Return a context that yields an empty folder to write to, which becomes `out` at the end, whole or not at all.

    Parameters
    ----------
    out : Path
        The folder.
    overwrite : bool
        Whether one that holds earlier results may be replaced.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written; this is known before any work is done.
    """
    return replacing_folder(out, _ours, overwrite=overwrite)


def write_nuclei(
    folder: Path, found: Nuclei, inputs: Mapping[str, Path], atlas: tuple[Path, ...] = (), *,
    pictures: Mapping[str, bytes] | None = None,
) -> None:
    """Write labels, probabilities, the table and the record.

    Parameters
    ----------
    folder : Path
        An empty folder.
    found : Nuclei
        What to write.
    inputs : mapping of str to Path
        The patient's images by what they are.
    atlas : tuple of Path
        The atlas's files; none for the built-in one.
    pictures : mapping of str to bytes, optional
        PNG files to put beside them, by the image that they show.
    """
    save_volume(folder / LABELS, found.labels.data, found.labels.grid)
    write_table(folder / NAMES, [{"index": s.label, "name": s.name} for s in structures().values()])
    for name in structures():
        probability = found.probability(name)
        save_volume(folder / f"label-{name}_probseg.nii.gz", probability.data, probability.grid)
    write_table(folder / TABLE, [f.as_row() for f in found.table])
    for name, png in (pictures or {}).items():
        (folder / PICTURE.format(name)).write_bytes(png)
    write_text(folder / RECORD, as_json(record(found, inputs, atlas)))


def record(found: Nuclei, inputs: Mapping[str, Path], atlas: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return everything that was found, and from what, as plain values for JSON."""
    where = found.commissures
    return {
        "Description": "Deep grey nuclei in the space of the map of χ; coordinates are RAS+ mm, susceptibilities ppm",
        "Verdict": found.verdict,
        "Atlas": {"Name": found.atlas, "Files": _hashed(atlas)},
        "Inputs": {name: {"path": p.name, "sha256": file_hash(p)} for name, p in inputs.items()},
        "Commissures": {k: np.asarray(getattr(where, k)).tolist() for k in ("ac", "pc", "midline")},
        "AffineToMNI152": found.fits[0].affine.matrix.tolist(),
        "Nuclei": [f.as_dict() for f in found.table],
        "Notes": list(found.notes),
        "Software": software(),
        "Finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "Disclaimer": "Research use only. Not a medical device.",
    }


def _hashed(files: tuple[Path, ...]) -> list[dict[str, str]]:
    return [{"path": p.name, "sha256": file_hash(p)} for p in files]


def _ours(path: Path) -> bool:
    return path.name in (LABELS, NAMES, TABLE, RECORD) or path.name.endswith("_probseg.nii.gz") or (
        path.match(PICTURE.format("*"))
    )
