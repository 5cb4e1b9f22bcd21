"""`qsmkit nuclei`: the deep grey nuclei of a patient, outlined on the map of χ."""

from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.nuclei.findings import Finding
from qsmkit.clinical.nuclei.segment import Nuclei, segment
from qsmkit.clinical.target.acpc import Commissures
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.io.atlas import fetch
from qsmkit.io.maps import load_chi
from qsmkit.io.nifti import load_volume
from qsmkit.pipeline.nuclei import BUILT_IN, LABELS, load_atlas, record, results_folder, write_nuclei
from qsmkit.reports.nuclei import picture as draw

Point = tuple[float, float, float]

FOOTNOTE = (
    "χ in ppm relative to the map's own reference region, with 95 % intervals: probability-weighted mean ± 1.96 SE, "
    "from the spread of voxels and of runs. Confidence: the Dice coefficient that such nuclei had in digital patients."
)


def nuclei(
    chi: Path,
    /,
    *,
    magnitude: Path | None = None,
    t1w: Path | None = None,
    t2w: Path | None = None,
    fgatir: Path | None = None,
    mask: Path | None = None,
    atlas: str = BUILT_IN,
    atlas_names: Path | None = None,
    atlas_sha256: str | None = None,
    ac: Point | None = None,
    pc: Point | None = None,
    midline: Point | None = None,
    voxel: float | None = None,
    out: Path,
    picture: Flag = False,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Outline caudate, putamen, pallidum, thalamus, STN, nigra, red and dentate nucleus in the space of χ.

    Writes dseg.nii.gz with the labels and dseg.tsv with their names, a probability map of each nucleus, nuclei.tsv with
    volume, place, mean χ and confidence of each nucleus and side, and nuclei.json with all of it and its provenance.

    Parameters
    ----------
    chi
        Map of susceptibility (ppm), such as …_Chimap.nii.gz.
    magnitude
        Magnitude of the first echo of the same scan: shows the head, to which other images are registered.
    t1w
        T1-weighted image of the same head, in any position: sharpens caudate, thalamus and ventricles.
    t2w
        T2-weighted image of the same head.
    fgatir
        FGATIR (white-matter-nulled) image of the same head.
    mask
        Voxels in which χ has a value; the …_desc-qsm_mask beside it if omitted.
    atlas
        built-in (solids at published places); a label image or its folder; or an https address of a label image, which
        is downloaded only then and checked by --atlas-sha256.
    atlas_names
        TSV (index, name) of a downloaded atlas.
    atlas_sha256
        Checksum that the atlas's publisher states.
    ac
        Anterior commissure, RAS mm of χ, three numbers; with --pc and --midline. Where the atlas puts it if omitted.
    pc
        Posterior commissure.
    midline
        A point of the midsagittal plane well above them.
    voxel
        Voxel size of the labels, mm, where χ is coarse and another image is finer; the voxels of χ if omitted.
    out
        Folder to write.
    picture
        Also draw the outlines on every image: nuclei_chi.png, nuclei_t1w.png, …
    json
        Print JSON on stdout.
    overwrite
        Replace a folder that this command wrote before.
    """
    inputs = {"chi": chi} | {
        name: path for name, path in
        (("magnitude", magnitude), ("t1w", t1w), ("t2w", t2w), ("fgatir", fgatir), ("mask", mask)) if path is not None
    }  # fmt: skip
    frame = _commissures(ac, pc, midline)
    address = _fetched(atlas, atlas_names, atlas_sha256, out)
    images: dict[str, Any] = {n: load_volume(p) for n, p in inputs.items() if n not in ("chi", "mask")}
    susceptibility = load_chi(chi, mask)
    onto = None if voxel is None else _finer(susceptibility.grid, voxel)
    with results_folder(out, overwrite=overwrite) as folder:
        used, files = load_atlas(address)
        with console.StepProgress("nuclei", quiet=json) as progress:
            found = segment(susceptibility, used, commissures=frame, onto=onto, progress=progress, **images)
        pictures = {c.name: draw(found, c.name) for c in found.contrasts} if picture else {}
        write_nuclei(folder, found, inputs, files, pictures=pictures)
    if json:
        console.print_json(record(found, inputs, files))
        return
    _print(found)
    console.say(f"labels → {out / LABELS}")


def _fetched(atlas: str, names: Path | None, sha256: str | None, out: Path) -> str | Path:
    """Return the atlas as a path, downloading it if it is an address."""
    if "://" not in atlas:
        if names or sha256:
            raise InputError("--atlas-names and --atlas-sha256 belong to an atlas that is downloaded; give its address")
        return atlas if atlas == BUILT_IN else Path(atlas)
    if names is None or sha256 is None:
        raise InputError(f"{atlas} is an address; say --atlas-sha256, as its publisher states it, and --atlas-names")
    folder = out.absolute().parent / "atlas"
    image = fetch(atlas, sha256, folder / f"{sha256[:12]}_dseg.nii.gz")
    image.with_name(f"{sha256[:12]}_dseg.tsv").write_bytes(names.read_bytes())
    return image


def _finer(grid: Grid, voxel: float) -> Grid:
    """Return the grid of the same field of view with cubic voxels of this size, mm."""
    if not 0.3 <= voxel <= 5:
        raise InputError(f"voxels of {voxel:g} mm do not show the nuclei, or fill the memory; give 0.3 … 5 mm")
    x, y, z = (max(1, round(n * v / voxel)) for n, v in zip(grid.shape, grid.voxel_size, strict=True))
    affine = np.eye(4)
    affine[:3, :3] = grid.axes * voxel
    affine[:3, 3] = grid.world((voxel / np.array(grid.voxel_size) - 1) / 2)
    return Grid((x, y, z), affine)


def _commissures(ac: Point | None, pc: Point | None, midline: Point | None) -> Commissures | None:
    given = [p for p in (ac, pc, midline) if p is not None]
    if not given:
        return None
    if ac is None or pc is None or midline is None:
        raise InputError(f"{len(given)} of three points of the AC–PC frame are given; give --ac, --pc and --midline")
    return Commissures(np.array(ac), np.array(pc), np.array(midline))


def _print(found: Nuclei) -> None:
    heads = ("nucleus", "side", "mm³", "x y z (RAS mm)", "x y z (AC–PC mm)", "mean χ", "confidence", "verdict", "why")
    title = f"{found.verdict}; atlas: {found.atlas}"
    console.print_table(heads, [_cells(f) for f in found.table], title)
    for note in found.notes:
        console.say(note)
    console.out.print(FOOTNOTE, markup=False)
    console.disclaim()


def _cells(f: Finding) -> tuple[str, ...]:
    places = (" ".join(f"{v:.1f}" for v in p) for p in (f.centroid, f.acpc))
    return (f.name, f.side, f"{f.volume.value:.0f}", *places, str(f.chi), f"{f.confidence:.2f}", f.verdict,
            "; ".join(f.reasons))
