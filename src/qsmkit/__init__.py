"""From MRI phase to quantitative susceptibility maps, and from the maps to decisions.

>>> import qsmkit
>>> scan = qsmkit.load("bids/", participant="01")  # doctest: +SKIP
>>> result = qsmkit.reconstruct(scan, recipe="default")  # doctest: +SKIP
>>> qsmkit.save(result, "derivatives/")  # doctest: +SKIP
>>> qsmkit.report(result, "report.html")  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
