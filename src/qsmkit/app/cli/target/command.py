"""`qsmkit target`: contrast, hybrid images, AC–PC and frame coordinates, plans, leads in CT, and their errors."""

from cyclopts import App

from qsmkit.app.cli.commands import summary

COMMANDS = {
    "cnr": "contrast:cnr",
    "hybrid": "hybrid:hybrid",
    "cohort": "cohort:cohort",
    "report": "report:report",
    "acpc": "acpc:acpc",
    "convert": "convert:convert",
    "localise": "localise:localise",
    "frame": "frame:frame",
    "plan": "plan:plan",
    "errors": "errors:errors",
    "leads": "leads:leads",
    "fuse": "fuse:fuse",
}
"""Where each subcommand is; imported when it is used."""

app = App(name="target", help="Targeting: contrast, hybrid images, AC–PC and frame coordinates, plans, and leads.")

for name, place in COMMANDS.items():
    app.command(f"qsmkit.app.cli.target.{place}", name=name, help=summary(f"target.{place}"))
