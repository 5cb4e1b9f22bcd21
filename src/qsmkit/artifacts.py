"""The table of artifacts: everything that flows from one method to the next, by name.

A method's positional parameters and its products are names of this table. Unit, shape and dtype are checked against
it at every call, files are named after it, and figures take their windows from it.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["map", "series", "coils", "ensemble", "orientations", "mask", "vector", "directions", "value", "grid"]
"""map: 3-D float; series: 4-D float, echo last; coils: 5-D float, echo fourth, coil last; ensemble: 4-D float, repeat
last; orientations: 4-D float, orientation of the head last; mask: 3-D bool; vector: 1-D float; directions: a unit
vector a row, float; value: one number; grid: a Grid."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One row of the table.

    Attributes
    ----------
    name : str
        Name in signatures and recipes.
    kind : Kind
        Shape and type.
    unit : str
        Unit of the values; "1" for a pure number, "a.u." for arbitrary units.
    meaning : str
        One line for help texts and sidecars.
    bids : str
        End of the BIDS file name (entities and suffix); empty for what is never written.
    window : tuple of float
        Display window in `unit`; (0, 0) where it is taken from the data.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    bids: str = ""
    window: tuple[float, float] = (0.0, 0.0)


_PI = 3.14159265

ARTIFACTS: dict[str, Artifact] = {
    a.name: a
    for a in (
        Artifact("grid", "grid", "mm", "shape and affine of the volumes"),
        Artifact("echo_times", "vector", "s", "echo times, ascending"),
        Artifact("field_strength", "value", "T", "main field, from the imaging frequency where known"),
        Artifact("magnitude", "series", "a.u.", "magnitude, echo last", "part-mag_MEGRE"),
        Artifact("phase", "series", "rad", "wrapped phase, echo last", "part-phase_MEGRE", (-_PI, _PI)),
        Artifact("coil_magnitude", "coils", "a.u.", "magnitude of each coil, echo fourth, coil last"),
        Artifact("coil_phase", "coils", "rad", "wrapped phase of each coil, echo fourth, coil last", "", (-_PI, _PI)),
        Artifact("unwrapped_phase", "series", "rad", "unwrapped phase, echo last", "desc-unwrapped_part-phase_MEGRE"),
        Artifact("phase_offset", "map", "rad", "phase at echo time zero", "desc-offset_phase", (-_PI, _PI)),
        Artifact("phase_quality", "map", "1", "reliability of the phase, 0 to 1", "desc-quality_probseg", (0, 1)),
        Artifact("phase_residues", "map", "1", "share of a voxel's 2 × 2 loops that end an open fringe",
                 "desc-residues_probseg", (0, 1)),
        Artifact("total_field", "map", "ppm", "field shift from all sources", "desc-total_fieldmap", (-0.5, 0.5)),
        Artifact("field_sd", "map", "ppm", "standard deviation of the field", "desc-sd_fieldmap", (0, 0.005)),
        Artifact("fit_residual", "map", "1", "relative residual of the field fit", "desc-residual_fieldmap", (0, 0.5)),
        Artifact("local_field", "map", "ppm", "field shift from sources in the mask", "desc-local_fieldmap",
                 (-0.05, 0.05)),
        Artifact("local_fields", "orientations", "ppm", "local fields of one head in several orientations"),
        Artifact("field_sds", "orientations", "ppm", "standard deviations of these fields"),
        Artifact("b0_directions", "directions", "1", "B0 in voxel axes, a unit vector for each orientation"),
        Artifact("mask", "mask", "1", "voxels that are reconstructed", "desc-qsm_mask", (0, 1)),
        Artifact("brain_mask", "mask", "1", "the mask before background removal", "desc-brain_mask", (0, 1)),
        Artifact("vessel_mask", "mask", "1", "veins and other vessels", "desc-vessels_mask", (0, 1)),
        Artifact("chi", "map", "ppm", "magnetic susceptibility", "Chimap", (-0.15, 0.15)),
        Artifact("sigma_chi", "map", "ppm", "standard deviation of the susceptibility", "desc-sd_Chimap", (0, 0.01)),
        Artifact("chi_deviations", "ensemble", "ppm", "deviation of the susceptibility in repeats with new noise",
                 "desc-repeats_Chimap", (-0.02, 0.02)),
        Artifact("reference_mask", "mask", "1", "voxels whose mean is zero susceptibility", "desc-reference_mask",
                 (0, 1)),
        Artifact("r2star", "map", "1/s", "effective transverse relaxation rate", "R2starmap", (0, 60)),
        Artifact("t2star", "map", "s", "effective transverse relaxation time", "T2starmap", (0, 0.1)),
        Artifact("r2", "map", "1/s", "irreversible transverse relaxation rate", "R2map", (0, 40)),
        Artifact("r2prime", "map", "1/s", "reversible transverse relaxation rate, R2* − R2", "R2primemap", (0, 30)),
        Artifact("chi_para", "map", "ppm", "susceptibility of paramagnetic sources, not negative",
                 "desc-paramagnetic_Chimap", (0, 0.15)),
        Artifact("chi_dia", "map", "ppm", "size of the susceptibility of diamagnetic sources, not negative",
                 "desc-diamagnetic_Chimap", (0, 0.15)),
        Artifact("swi", "map", "a.u.", "magnitude weighted by phase, paramagnetic sources dark", "swi"),
        Artifact("clear_swi", "map", "1", "evened magnitude weighted by phase, paramagnetic sources dark",
                 "desc-clear_swi"),
        Artifact("tswi", "map", "a.u.", "magnitude weighted by susceptibility, veins dark", "desc-tswi_swi"),
        Artifact("smwi", "map", "a.u.", "magnitude weighted by susceptibility, one sign dark", "desc-smwi_swi"),
        Artifact("minip", "map", "a.u.", "minimum of a susceptibility-weighted image over a slab", "minIP"),
    )
}
