"""One bit that is +1 or -1, as binarized networks have it."""

import re
from dataclasses import dataclass

from ..base import Format
from . import KindNames

__all__ = ["NAMES", "Bipolar"]


@dataclass(frozen=True)
class Bipolar(Format):
    """Code 1 is +1 and code 0 is -1, so that the XNOR of two codes is the code of their product.

    That is the convention of Courbariaux et al., arXiv 1602.02830, 1.3, and of FINN's ``BipolarQuant``. There is no
    zero: an exact zero is encoded as +1, like anything positive.
    """

    @property
    def name(self) -> str:
        return "bipolar"

    @property
    def width(self) -> int:
        return 1

    @property
    def lsb_exponent(self) -> int:
        return 0

    def integer(self, code: int) -> int:
        return 1 if self.check_code(code) else -1


NAMES = KindNames("bipolar", re.compile("bipolar"), lambda match: Bipolar(), (Bipolar(),))
