"""Points: how accurate a network is in a scheme."""
