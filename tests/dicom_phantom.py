"""Grids of every kind, a head with an R at its right ear, and a scanner's series to come from."""

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from qsmkit.grid import Grid

LETTER = ("1110", "1001", "1110", "1010", "1001")
"""The letter as one reads it: rows from above, columns from the left."""


def rotation(x, y, z):
    made = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        u, v = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[u, u, v, v], [u, v, u, v]] = c, -s, s, c
        made = turn @ made
    return made


def grid_of(turn, size, shape, centre=(3.1, -17.35, 22.125)):
    """A grid whose voxel axes point along the columns of `turn`, rounded as NIfTI rounds."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(turn, float) * size
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine.astype(np.float32).astype(np.float64))


SHAPE = (30, 34, 26)
GRIDS = {
    "axial": grid_of(np.eye(3), (1, 1, 1), SHAPE),
    "axial thick": grid_of(np.eye(3), (0.9, 0.9, 2.5), SHAPE),
    "sagittal": grid_of(np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), (0.9, 0.9, 1.3), SHAPE),
    "coronal": grid_of(np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]]), (1.1, 1.1, 0.8), SHAPE),
    "oblique": grid_of(rotation(12, -7, 23), (0.8, 0.8, 1.7), SHAPE),
    "oblique isotropic": grid_of(rotation(-31, 14, 5), (0.7, 0.7, 0.7), SHAPE),
    "flipped x": grid_of(np.diag([-1.0, 1, 1]), (1, 1, 1), SHAPE),
    "flipped all": grid_of(np.diag([-1.0, -1, -1]), (1, 1, 2), SHAPE),
    "oblique flipped": grid_of(rotation(9, 17, -11) @ np.diag([-1.0, 1, -1]), (0.9, 0.9, 2.0), SHAPE),
    "permuted oblique flipped": grid_of(
        rotation(5, 8, -40)[:, [2, 0, 1]] @ np.diag([1.0, -1, 1]), (1.2, 0.8, 0.8), SHAPE
    ),
    "diagonal": grid_of(rotation(45, 45, 45), (1, 1, 1), SHAPE),
}


def letter(grid):
    """χ (ppm) that tells every place from every other, and an R at the right ear that is read from the front.

    The letter stands in a coronal plane, so that its left-right mirror image is another letter.
    """
    voxels = np.stack(np.indices(grid.shape), -1)
    world = grid.world(voxels)
    middle = grid.world((np.array(grid.shape) - 1) / 2)
    x, y, z = np.moveaxis(world - middle, -1, 0)
    chi = 0.002 * x + 0.0011 * y + 0.0007 * z
    cell = cell_size(grid)
    for row, line in enumerate(LETTER):
        for column, ink in enumerate(line):
            centre = cell_centre(grid, row, column)
            inside = np.all([np.abs(v - c) <= cell * 0.5 for v, c in ((x, centre[0]), (z, centre[2]))], axis=0)
            if ink == "1":
                chi[inside & (np.abs(y) < 2 * cell)] = 0.5
    return chi.astype(np.float32)


def cell_size(grid):
    """Edge of one of the letter's squares, mm."""
    return max(min(n * v for n, v in zip(grid.shape, grid.voxel_size, strict=True)) / 13, 1.01 * max(grid.voxel_size))


def cell_centre(grid, row, column):
    """Place of one of the letter's squares from the middle of the grid, RAS mm.

    From the front the patient's right is on the left, so columns run from high x to low x.
    """
    cell = cell_size(grid)
    return np.array([3.0 * cell - (column - 1.5) * cell, 0.0, (2 - row) * cell])


def scanner_series(folder, grid, *, echoes=2, frame=None, name="Doe^Jane", study=None, spoil=lambda header: None):
    """Write a multi-echo series as a scanner would, straight from the affine, in the order of the voxel axes."""
    folder.mkdir(parents=True)
    series, frame, study = generate_uid(), frame or generate_uid(), study or generate_uid()
    lps = np.diag([-1.0, -1, 1])
    for e in range(echoes):
        for k in range(grid.shape[2]):
            header = Dataset()
            header.file_meta = FileMetaDataset()
            header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
            header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
            header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            header.PatientName, header.PatientID, header.PatientSex = name, "H-4711", "F"
            header.PatientBirthDate, header.StudyDate, header.StudyTime = "19600229", "20240103", "101112"
            header.AcquisitionDate, header.AcquisitionTime = "20240103", "101512.25"
            header.AccessionNumber, header.StudyID, header.ReferringPhysicianName = "A-1", "1", "Who^Doctor"
            header.Modality, header.Manufacturer = "MR", "Maker"
            header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = study, series, frame
            header.SeriesNumber, header.SeriesDescription, header.InstanceNumber = 7, "gre", e * grid.shape[2] + k + 1
            header.PatientPosition, header.MagneticFieldStrength, header.EchoTime = "HFS", "3", str(5 * (e + 1))
            header.ImageOrientationPatient = [f"{v:.9f}" for v in (lps @ grid.axes[:, :2]).T.ravel()]
            header.ImagePositionPatient = [f"{v:.6f}" for v in lps @ grid.world((0, 0, k))]
            header.PixelSpacing = [f"{grid.voxel_size[1]:.7f}", f"{grid.voxel_size[0]:.7f}"]
            header.SliceThickness = header.SpacingBetweenSlices = f"{grid.voxel_size[2]:.7f}"
            header.Columns, header.Rows = grid.shape[:2]
            header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
            header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
            header.PixelData = np.full(grid.shape[:2], k, "<u2").tobytes()
            spoil(header)
            header.save_as(folder / f"{e}-{k}.dcm", enforce_file_format=True)
    return folder
