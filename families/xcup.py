"""AMD UltraScale+: as the 7-series, with carry chains of 8 and DSP48E2."""

from .xc7 import amd_family

FAMILY = amd_family("xcup", "AMD UltraScale+", 27)
