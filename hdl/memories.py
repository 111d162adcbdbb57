"""What synthesis may rely on in a memory."""

__all__ = ["UNRELATED"]

UNRELATED = {"no_rw_check": 1}
"""Attributes of a memory of which no word is read in the cycle in which it is written: synthesis need not see to what
is read then."""
