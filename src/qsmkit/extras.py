"""Optional dependencies."""

import importlib
from types import ModuleType

from qsmkit.errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """Import and return an optional `module`.

    Raises
    ------
    MissingExtraError
        It is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} is not installed; install it with: pip install 'qsmkit[{extra}]'"
        ) from error
