"""Transforms on disk: our own JSON, and what ITK and FSL write.

RAS+ inside. ITK's text files speak LPS; FSL's matrices speak of scaled voxels of two given images, the first axis
turned round where the affine is not left-handed.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from qsmkit.errors import GeometryError, MetadataError
from qsmkit.grid import Grid
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json, read_sidecar
from qsmkit.transform import Matrix, Transform

Format = Literal["json", "itk", "fsl"]

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def format_of(path: Path) -> Format:
    """Return the format that a file's name stands for: .json, .tfm or .txt (ITK), .mat (FSL).

    Raises
    ------
    MetadataError
        The name stands for none.
    """
    known: dict[str, Format] = {".json": "json", ".tfm": "itk", ".txt": "itk", ".mat": "fsl"}
    if path.suffix not in known:
        raise MetadataError(f"{path} is no transform that is known; name it .json, .tfm or .txt (ITK), or .mat (FSL)")
    return known[path.suffix]


def read_transform(path: Path, *, fixed: Grid | None = None, moving: Grid | None = None) -> Transform:
    """Read a transform from the fixed to the moving space.

    Parameters
    ----------
    path : Path
        The file.
    fixed, moving : Grid, optional
        The images that an FSL matrix is between (FSL's reference and input).

    Raises
    ------
    MetadataError
        The file cannot be read, or an FSL matrix comes without its images.
    GeometryError
        The numbers are no transform.
    """
    kind = format_of(path)
    if kind == "json":
        content = read_sidecar(path)
        if "matrix" not in content:
            raise MetadataError(f"{path} has no key 'matrix'; give the 4 × 4 matrix from the fixed to the moving space")
        return Transform(_matrix(path, content["matrix"]))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(f"{path} cannot be read ({error}); check the file") from error
    if kind == "itk":
        return _from_itk(path, text)
    if fixed is None or moving is None:
        raise MetadataError(f"{path} is an FSL matrix, which means nothing without its two images; give both")
    # FSL maps its input (our moving) to its reference (our fixed)
    matrix = _matrix(path, [line.split() for line in text.splitlines() if line.strip()])
    return Transform(_from_fsl(moving) @ np.linalg.inv(matrix) @ np.linalg.inv(_from_fsl(fixed)))


def write_transform(
    path: Path, transform: Transform, *, fixed: Grid | None = None, moving: Grid | None = None,
    about: dict[str, Any] | None = None, overwrite: bool = False,
) -> None:
    """Write a transform from the fixed to the moving space.

    Parameters
    ----------
    path : Path
        The file; its name says the format.
    transform : Transform
        The transform.
    fixed, moving : Grid, optional
        The images, for an FSL matrix.
    about : dict, optional
        More keys for the JSON format: names of the images, quality, provenance.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Raises
    ------
    MetadataError
        The name stands for no format, or an FSL matrix is asked for without images.
    OutputError
        The file is there already, or cannot be written.
    """
    kind = format_of(path)
    if kind == "json":
        content = {
            "matrix": transform.matrix.tolist(),
            "convention": "maps RAS+ mm of the fixed image to RAS+ mm of the moving image",
            **(about or {}),
        }
        write_text(path, as_json(content), overwrite=overwrite)
        return
    if kind == "itk":
        write_text(path, _as_itk(transform), overwrite=overwrite)
        return
    if fixed is None or moving is None:
        raise MetadataError(f"{path} would be an FSL matrix, which needs both images; or write .json or .tfm")
    matrix = np.linalg.inv(np.linalg.inv(_from_fsl(moving)) @ transform.matrix @ _from_fsl(fixed))
    text = "\n".join("  ".join(f"{v:.10g}" for v in row) for row in matrix)
    write_text(path, f"{text}\n", overwrite=overwrite)


def _matrix(path: Path, rows: Any) -> Matrix:
    try:
        matrix = np.array(rows, np.float64)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"{path} does not hold a matrix of numbers ({error}); repair it") from error
    return matrix


def _as_itk(transform: Transform) -> str:
    matrix = LPS @ transform.matrix @ LPS
    numbers = [*matrix[:3, :3].ravel(), *matrix[:3, 3]]
    return (
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: {' '.join(f'{v:.17g}' for v in numbers)}\nFixedParameters: 0 0 0\n"
    )


def _from_itk(path: Path, text: str) -> Transform:
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    kind = fields.get("Transform", "").strip()
    if text.count("Transform:") != 1 or not kind.startswith(("AffineTransform", "MatrixOffsetTransformBase")):
        raise MetadataError(f"{path} holds {kind or 'no transform'!r}; give one AffineTransform")
    numbers = _matrix(path, fields.get("Parameters", "").split())
    centre = _matrix(path, fields.get("FixedParameters", "0 0 0").split())
    if numbers.shape != (12,) or centre.shape != (3,):
        raise GeometryError(f"{path} has {numbers.size} parameters and {centre.size} fixed ones; 12 and 3 are needed")
    matrix = np.eye(4)
    matrix[:3, :3] = numbers[:9].reshape(3, 3)
    matrix[:3, 3] = numbers[9:] + centre - matrix[:3, :3] @ centre
    return Transform(LPS @ matrix @ LPS)


def _from_fsl(grid: Grid) -> Matrix:
    """Return the matrix from FSL's coordinates of an image to its RAS+ mm."""
    scaled = np.diag([*grid.voxel_size, 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        flip[0, 3] = (grid.shape[0] - 1) * grid.voxel_size[0]
        scaled = flip @ scaled
    matrix: Matrix = grid.affine @ np.linalg.inv(scaled)
    return matrix
