"""The command line: ``python build.py``, ``python -m fewbit.build``, or the installed command ``fewbit``."""

if __package__:
    from .cli import main
else:  # run as a script, from a checkout that is installed
    from fewbit.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
