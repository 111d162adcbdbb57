"""The command line: ``python build.py``, ``python -m fewbit.build``, or the installed command ``fewbit``."""

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name, and leave the program with its exit status."""
    heard = signal.getsignal(signal.SIGINT)
    if heard == signal.default_int_handler:  # Ctrl-C while the rest is loaded ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if __package__:
        from .cli import main as command
    else:  # run as a script, from a checkout that is installed
        from fewbit.cli import main as command
    signal.signal(signal.SIGINT, heard)
    command()


if __name__ == "__main__":
    main()
