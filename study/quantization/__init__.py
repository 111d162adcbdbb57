"""From a network and a scheme to codes and scales."""
