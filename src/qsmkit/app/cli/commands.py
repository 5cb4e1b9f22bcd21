"""The commands and where they are."""

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
