"""How accurate networks are when they compute in these formats, and what that costs in hardware."""
