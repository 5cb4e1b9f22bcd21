"""The command line: one command, `qsmkit`, with a subcommand for everything."""

import os
import sys
import traceback
import typing
import warnings
from importlib.metadata import version

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from qsmkit.app import console
from qsmkit.app.cli.commands import COMMANDS, VERBS, summary
from qsmkit.errors import ParameterError, QsmkitError
from qsmkit.method import STAGES
from qsmkit.physics import fft

DONE, COULD_NOT, USAGE = 0, 1, 2


def build() -> App:
    """Return the command with all its subcommands."""
    app = App(
        name="qsmkit",
        version=version("qsmkit"),
        help="From MRI phase to quantitative susceptibility maps, and from the maps to decisions.\n\n"
        f"{console.DISCLAIMER}",
        default_parameter=Parameter(negative_iterable=()),
        suppress_keyboard_interrupt=False,
    )
    for name, place in COMMANDS.items():
        app.command(f"qsmkit.app.cli.{place}", name=name, help=summary(place))
    for stage in STAGES:
        app.command(
            f"qsmkit.app.cli.stages:{stage}", name=VERBS.get(stage, stage), help=f"Run one {stage} method on files."
        )
    return app


def run(arguments: list[str]) -> int:
    """Run the command and return its exit status: 0 done, 1 could not (a line on stderr says why), 2 usage."""
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    warnings.showwarning = lambda message, *_, **__: console.say(f"warning: {message}")
    try:
        _choose_fft(os.environ.get("QSMKIT_FFT", "scipy"))
        status = build()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        console.say(f"qsmkit: {' '.join(str(error).split())} (see: qsmkit --help)")
        return USAGE
    except QsmkitError as error:
        if debug:
            traceback.print_exc()
        console.say(f"qsmkit: {' '.join(str(error).split())}")
        return USAGE if isinstance(error, console.UsageError) else COULD_NOT
    except MemoryError:
        console.say("qsmkit: the machine has too little memory for this volume; crop it, or use a larger machine")
        return COULD_NOT
    except KeyboardInterrupt:
        console.say("qsmkit: interrupted; finished steps are kept, run the same command again to go on")
        return COULD_NOT
    except BrokenPipeError:
        sys.stderr.close()
        return COULD_NOT
    return status if isinstance(status, int) else DONE


def _choose_fft(engine: str) -> None:
    known = typing.get_args(fft.Engine)
    if engine not in known:
        raise ParameterError(f"QSMKIT_FFT = {engine!r} is not known; it is one of {', '.join(known)}")
    fft.set_engine(typing.cast(fft.Engine, engine))
