"""`qsmkit monitor`: lesions over years, in a registry that proves what was entered when and by whom."""

from cyclopts import App

from qsmkit.app.cli.commands import summary

COMMANDS = {
    "init": "init:init",
    "add": "add:app",
    "measure": "measure:measure",
    "link": "link:link",
    "event": "event:event",
    "change": "change:change",
    "rates": "rates:rates",
    "report": "report:report",
    "remeasure": "remeasure:remeasure",
    "edit": "edit:app",
    "remove": "remove:remove",
    "show": "show:show",
    "history": "history:history",
    "verify": "verify:verify",
    "backup": "backup:backup",
    "restore": "restore:restore",
    "upgrade": "upgrade:upgrade",
    "export": "export:app",
    "import": "importing:import_rows",
}
"""Where each command is: imported when it is used."""

app = App(name="monitor", help="Lesions over years: a registry of patients, visits, lesions and measurements.")
for _name, _place in COMMANDS.items():
    app.command(f"qsmkit.app.cli.monitor.{_place}", name=_name, help=summary(f"monitor.{_place}"))
