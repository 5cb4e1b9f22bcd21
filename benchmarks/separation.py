"""Separation of sources on reconstructed digital patients: every method beside the closed form.

    .venv/bin/python -m benchmarks.separation TRUTH RECON

TRUTH is the folder of one visit's truth (…/derivatives/truth/sub-*/ses-*/anat), RECON that of its reconstruction with
the recipe `default`. R2, which a spin-echo scan would tell, is taken from the truth; everything else is reconstructed.
NRMSE in % of the truth's norm over the reconstruction's mask, not detrended; leaks are slopes on the other source.
"""

import argparse
from pathlib import Path

import numpy as np

import qsmkit.recon  # noqa: F401
from qsmkit import metrics
from qsmkit.io.nifti import load_volume
from qsmkit.method import METHODS
from qsmkit.physics.signal import RELAXIVITY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("recon", type=Path)
    parser.add_argument("--b0", type=float, default=3.0, help="field strength, T")
    given = parser.parse_args()

    def load(folder: Path, end: str) -> np.ndarray:
        (path,) = (p for p in folder.glob(f"*_{end}.nii.gz") if p.name.count("_") == end.count("_") + 2)
        return load_volume(path).data

    para, dia = (load(given.truth, f"desc-{n}_Chimap") for n in ("paramagnetic", "diamagnetic"))
    grid = load_volume(next(given.recon.glob("*_desc-qsm_mask.nii.gz"))).grid
    mask = load(given.recon, "desc-qsm_mask") > 0
    r2 = np.maximum(load(given.truth, "R2starmap") - RELAXIVITY * given.b0 / 3 * (para + dia), 0)
    chi, r2star = (load(given.recon, end) for end in ("Chimap", "R2starmap"))
    have = {
        "chi": chi, "r2star": r2star, "r2prime": np.maximum(r2star - r2, 0) * mask, "mask": mask, "grid": grid,
        "local_field": load(given.recon, "desc-local_fieldmap"), "field_sd": load(given.recon, "desc-sd_fieldmap"),
        "field_strength": given.b0,
    }  # fmt: skip
    para, dia = para * mask, dia * mask
    print(f"{'method':24} χ⁺ NRMSE %  χ⁻ NRMSE %  χ⁺ leak  χ⁻ leak")
    for name, method in METHODS.items():
        if method.stage != "separation" or "chi_para" not in method.produces:
            continue
        for label, source in (("", chi), (", χ + mean", chi + _offset(chi, para - dia, mask))):
            if "chi" not in method.needs and label:
                continue
            inputs = have | {"chi": source * mask}
            names = [n for n in (*method.needs, *method.uses) if n in inputs]
            found = method.function(**{n: inputs[n] for n in names})
            scores = metrics.nrmse(found.chi_para[mask], para[mask]), metrics.nrmse(found.chi_dia[mask], dia[mask])
            leaks = (
                metrics.para_leak(found.chi_para, para, dia, mask), metrics.dia_leak(found.chi_dia, para, dia, mask)
            )  # fmt: skip
            print(f"{name + label:24} {scores[0]:10.1f} {scores[1]:11.1f} {leaks[0]:9.3f} {leaks[1]:9.3f}", flush=True)


def _offset(chi: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Return by how much the reference of χ differs from water, ppm."""
    return float((truth - chi)[mask].mean())


if __name__ == "__main__":
    main()
