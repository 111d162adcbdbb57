"""One test over many small cases: as a parameter of pytest, each would cost more than it computes."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

__all__ = ["each_of"]


def each_of(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As ``pytest.mark.parametrize``, but all cases are in one test, which runs every one of them whatever fails.

    Parameters
    ----------
    names: of the test's parameters, one or more
    cases: their values; tuples where there are several names

    The test raises what its first wrong case raised, with a note of that case and of how many are wrong.
    """
    keys = tuple(names.replace(",", " ").split()) if isinstance(names, str) else names
    cases = list(cases)
    if not cases:
        raise ValueError(f"cases must be one or more, of {', '.join(keys)}")

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def over_all(**given: Any) -> None:
            wrong: list[tuple[dict[str, Any], Exception]] = []
            for case in cases:
                values = dict(zip(keys, (case,) if len(keys) == 1 else case, strict=True))
                try:
                    test(**given, **values)
                except pytest.skip.Exception:
                    raise TypeError(f"cases must be such as are not skipped, not {values}: all would be") from None
                except Exception as error:
                    wrong.append((values, error))
            if wrong:
                values, first = wrong[0]
                told = ", ".join(f"{name}={value}" for name, value in values.items())
                first.add_note(f"with {told}; {len(wrong)} of {len(cases)} cases are wrong")
                raise first

        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        over_all.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return over_all

    return decorate
