"""The command line: ``python build.py``, ``python -m fewbit.build``, or the installed command ``fewbit``."""

import signal
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, that of the program's own arguments unless others are given, and leave with its exit status."""
    unheard = signal.getsignal(signal.SIGINT) == signal.default_int_handler
    if unheard:  # Ctrl-C while the rest is loaded ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if __package__:
        from .cli import main as command
    else:  # run as a script, from a checkout that is installed
        from fewbit.cli import main as command
    if unheard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command(arguments)


if __name__ == "__main__":
    main()
