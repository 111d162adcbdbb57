"""How accurate networks are when they compute in these formats, and what that costs in hardware.

``study``, ``price``, ``recommend`` and ``lower`` are what the commands of these names do, from Python. They are loaded
when they are first asked for, since the rest of the room needs what `pip install 'fewbit[study]'` brings.
"""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .choice.findings import Findings, read_findings
    from .choice.recommend import NothingSuits, Recommendation, recommend
    from .from_python import lower, price, study
    from .measurement.point import Point
    from .prices.price import Price

__all__ = [
    "Findings",
    "NothingSuits",
    "Point",
    "Price",
    "Recommendation",
    "lower",
    "price",
    "read_findings",
    "recommend",
    "study",
]

__getattr__ = lazily(
    __name__,
    "study",
    {
        "Findings": ".choice.findings",
        "NothingSuits": ".choice.recommend",
        "Point": ".measurement.point",
        "Price": ".prices.price",
        "Recommendation": ".choice.recommend",
        "lower": ".from_python",
        "price": ".from_python",
        "read_findings": ".choice.findings",
        "recommend": ".choice.recommend",
        "study": ".from_python",
    },
)


def __dir__() -> list[str]:
    return [*__all__]
