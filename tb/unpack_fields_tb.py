"""Testbench of ``unpack_fields``: that of ``unpack_trits``, whose description says how bytes are packed."""

from .unpack_trits_tb import every_byte_at_full_speed, random_stalls, resets

__all__ = ["every_byte_at_full_speed", "random_stalls", "resets"]
