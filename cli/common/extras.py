"""A missing package belongs to a part of fewbit. The line that installs that part is found here."""

import re
from importlib import metadata

__all__ = ["how_to_install"]

_DISTRIBUTIONS = {
    "cocotb_tools": "cocotb",
    "cocotbext": "cocotbext-axi",
    "serial": "pyserial",
    "vl_convert": "vl-convert-python",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Distributions of packages that have another name when they are imported."""


def how_to_install(module: str) -> str | None:
    """The command that installs a missing module with the part of fewbit that needs it.

    It is None if no part of fewbit asks for the module. Its absence is a bug then, which no user could mend. Parts are
    read from the metadata of the installed package, in the order of its pyproject.toml.
    """
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0]:
        return None
    wanted = _DISTRIBUTIONS.get(top, top).replace("_", "-").lower()
    try:
        requirements = metadata.requires("fewbit") or []
    except metadata.PackageNotFoundError:
        return None
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name and name[0].replace("_", "-").lower() == wanted:
            return f"pip install 'fewbit[{extra[1]}]'" if extra else "pip install fewbit"
    return None
