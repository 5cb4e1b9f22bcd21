from .io.load import load as load
from .pipeline.outputs import save as save
from .pipeline.reconstruct import reconstruct as reconstruct
from .reports.html import report as report

__all__ = ["load", "reconstruct", "report", "save"]
