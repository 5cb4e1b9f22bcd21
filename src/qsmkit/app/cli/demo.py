"""`qsmkit demo`: simulate a head, reconstruct it, score it against the truth, write and name the report."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.recon import recon
from qsmkit.app.cli.score import score
from qsmkit.app.cli.simulate import head

SETTINGS = ("bet.fraction=0.3",)
"""Changes to the recipe: the digital head's CSF is darker than a patient's and hides the cerebellum from BET."""


def demo(out: Path = Path("demo"), /, *, recipe: str = "default", seed: int = 1) -> int:
    """Simulate a head, run the whole chain on it, and write report.html.

    Parameters
    ----------
    out
        Folder to make.
    recipe
        Name of a recipe with a bet step.
    seed
        Which head to simulate.
    """
    bids, results = out / "bids", out / "results"
    head(bids, seed=seed, overwrite=True)
    status = recon(bids, results, recipe=recipe, set=list(SETTINGS), overwrite=True)
    truth = bids / "derivatives" / "truth" / "sub-01" / "anat"
    score(
        results / "sub-01" / "anat" / "sub-01_Chimap.nii.gz",
        truth / "sub-01_Chimap.nii.gz",
        mask=truth / "sub-01_desc-brain_mask.nii.gz",
        labels=truth / "sub-01_dseg.nii.gz",
    )
    report = out / "report.html"
    report.write_bytes((results / "sub-01_report.html").read_bytes())
    console.out.print(f"The report is {report.resolve()}", markup=False)
    return status
