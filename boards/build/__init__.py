"""From a request to a bitstream."""
