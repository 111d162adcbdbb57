"""This room leads from exact sums to codes and back: scales, one rounding, pipelines that stall as a whole."""
