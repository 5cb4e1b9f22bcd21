"""The commands, where they are, and what they are for."""

import ast
from pathlib import Path

from qsmkit.method import Stage

COMMANDS = {
    "demo": "demo:demo",
    "convert": "convert:convert",
    "check": "check:check",
    "recon": "recon:recon",
    "simulate": "simulate:app",
    "methods": "methods:methods",
    "score": "score:score",
    "agree": "agree:agree",
    "mer": "mer:mer",
    "register": "register:register",
    "nuclei": "nuclei:nuclei",
    "roi": "roi:roi",
    "profile": "profile:profile",
    "quantify": "quantify:app",
    "microbleeds": "microbleeds:microbleeds",
    "outcome": "outcome:outcome",
    "target": "target.command:app",
    "monitor": "monitor.command:app",
    "trial": "trial:app",
    "export": "export:app",
    "deidentify": "deidentify:deidentify",
    "doctor": "doctor:doctor",
}
"""Where each command is: imported when it is used, so that one does not wait for the libraries of the others."""

VERBS: dict[Stage, str] = {"inversion": "invert", "relaxometry": "relax", "separation": "separate"}
"""Stages whose command is not called like them."""


def summary(place: str) -> str:
    """Return what a command is for, from its module's text, which is not imported.

    A function's own words, or for a group of commands those after its name in the module's first line.
    """
    module, _, name = place.partition(":")
    path = Path(__file__).parent / f"{module.replace('.', '/')}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n\nParameters\n")[0]
    words = (ast.get_docstring(tree) or "").partition("\n")[0].partition("`: ")[2]
    return words[:1].upper() + words[1:]
