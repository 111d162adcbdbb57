"""Testbench of ``dot``: that of ``mac`` with several lanes."""

from .mac_tb import extreme_sums, operand_pairs, random_sums, resets, special_values

__all__ = ["extreme_sums", "operand_pairs", "random_sums", "resets", "special_values"]
