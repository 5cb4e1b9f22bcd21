"""No method is offered that has not met a real scan: each runs on a brain crop with veins and on a whole head."""

import warnings

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning, DataWarning, QsmkitError
from qsmkit.io.loose import load_scan
from qsmkit.method import METHODS
from qsmkit.pipeline.reconstruct import reconstruct
from qsmkit.recon import r2prime

WITHOUT_DATA = {"combine_coils": "no scan by coil", "cosmos": "no scan in several orientations"}
SETTINGS = {"extended_resharp": {"radius": 6.0}}
"""A ball of 12 mm does not fit into the crop."""
MAY_BE_NOTHING = {"phase_residues"}
TWO_SHORT_ECHOES = {
    "arlo": "three echoes or more", "bipolar": "three echoes or more", "reference_csf": "no fluid is found by R2*",
}  # fmt: skip
"""What the head, of two echoes within 5 ms, is not fit for; each refuses it."""
TISSUE_R2 = 13.0
"""1/s; there is no R2 map, and one number for all tissue is enough to run the methods that want one."""


@pytest.fixture(scope="module", params=["crop", "head"])
def at_hand(request, shared_data):
    """Every artifact of a scan, by the default recipe."""
    if request.param == "crop":
        folder = shared_data / "gre-3echo-crop"
        scan = load_scan([folder / "Phase.nii.gz"], [folder / "Mag.nii.gz"], echo_times=[0.004, 0.008, 0.012],
                         field_strength=3.0, phase_max=0.003674)  # fmt: skip
    else:
        folder = shared_data / "philips-ingenia-3t" / "nifti"
        files = [sorted(folder.glob(f"*_e[12]{end}.nii.gz")) for end in ("_ph", "")]
        scan = load_scan(*files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = reconstruct(scan, recipe="default")
    have = {"grid": scan.grid, "echo_times": scan.echo_times, "field_strength": scan.field_strength,
            "phase": scan.phase, "magnitude": scan.magnitude, **result.artifacts}  # fmt: skip
    have["brain_mask"] = result.brain_mask
    have["r2"] = np.full(scan.grid.shape, TISSUE_R2, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        have["r2prime"] = r2prime(have["r2star"], have["r2"], have["mask"])
    have["swi"] = have["magnitude"][..., -1]
    return have


@pytest.mark.parametrize("name", sorted(METHODS))
def test_it_runs_and_gives_finite_maps(name, at_hand):
    entry = METHODS[name]
    if name in WITHOUT_DATA:
        pytest.skip(WITHOUT_DATA[name])
    inputs = {n: at_hand[n] for n in (*entry.needs, *(u for u in entry.uses if u in at_hand))}
    if name == "single_echo":
        series = ("phase", "unwrapped_phase", "magnitude", "echo_times")
        inputs |= {n: v[..., -1:] for n, v in inputs.items() if n in series}
    if name == "minip":
        inputs = {n: v for n, v in inputs.items() if n in ("swi", "grid", "mask")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DataWarning)
        if len(at_hand["echo_times"]) == 2 and name in TWO_SHORT_ECHOES:
            with pytest.raises(QsmkitError):
                entry.function(**inputs)
            return
        made = entry.function(**inputs, **SETTINGS.get(name, {}))
    for product, array in zip(entry.produces, made if isinstance(made, tuple) else (made,), strict=True):
        assert np.isfinite(array).all(), product
        assert array.any() or product in MAY_BE_NOTHING, product
        if product == "chi":
            values = array[at_hand["mask"]]
            assert 0.005 < np.percentile(values, 95) - np.percentile(values, 5) < 2, product
