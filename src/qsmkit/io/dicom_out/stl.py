"""Surfaces as binary STL in LPS millimetres, each with a sidecar that says so: STL knows neither."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.io.atomic import replacing_folder
from qsmkit.io.dicom_out.labels import Labels
from qsmkit.io.dicom_out.object import DISCLAIMER
from qsmkit.io.dicom_out.planes import LPS
from qsmkit.io.dicom_out.study import Study
from qsmkit.io.dicom_out.surface import Surface, surface_of
from qsmkit.io.sidecar import as_json

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def _is_ours(path: Path) -> bool:
    return re.fullmatch(r"\d{3,}_[0-9A-Za-z-]*\.(stl|json)", path.name) is not None


def write_surfaces(
    out: Path, labels: Labels, study: Study | None, *, smooth: float = 0.7, overwrite: bool = False
) -> list[dict[str, Any]]:
    """Write the surface of each label as `<name>.stl` and `<name>.json` into a folder of their own.

    Parameters
    ----------
    out : Path
        The folder; it appears complete or not at all.
    labels : Labels
        The structures.
    study : Study or None
        Whose frame of reference the sidecars name, if the labels lie in it.
    smooth : float
        Standard deviation of the blur, in units of the smallest voxel edge.
    overwrite : bool
        Whether a folder that is there already may be replaced.

    Returns
    -------
    list of dict
        The sidecars' content.
    """
    made = []
    with replacing_folder(out, _is_ours, overwrite=overwrite) as scratch:
        for label, name in labels.names.items():
            region = labels.data == label
            surface = surface_of(region, labels.grid, smooth=smooth)
            stem = f"{label:03d}_{re.sub(r'[^0-9A-Za-z]+', '-', name).strip('-')}"
            content = {
                "Name": name,
                "Label": label,
                "File": f"{stem}.stl",
                "CoordinateSystem": "LPS",
                "Units": "mm",
                "FrameOfReferenceUID": study.frame_uid if study and study.shares_space else None,
                "Triangles": len(surface.triangles),
                "MeshVolume_mm3": round(surface.volume, 3),
                "VoxelVolume_mm3": round(int(region.sum()) * labels.grid.voxel_volume, 3),
                "Centroid_mm": [round(float(v), 4) for v in LPS * surface.vertices.mean(0)],
                "Note": DISCLAIMER,
            }
            (scratch / f"{stem}.stl").write_bytes(stl_bytes(surface, f"{name} LPS mm"))
            (scratch / f"{stem}.json").write_text(as_json(content), encoding="utf-8")
            made.append(content)
    return made


def stl_bytes(surface: Surface, words: str) -> bytes:
    """Return a surface as binary STL, its coordinates in LPS mm."""
    rows = np.zeros(len(surface.triangles), _TRIANGLE)
    corners = (LPS * surface.vertices)[surface.triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    rows["corners"] = corners
    rows["normal"] = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    header = f"qsmkit {words}".encode("ascii", "replace")[:80].ljust(80)
    return header + np.uint32(len(rows)).tobytes() + rows.tobytes()
