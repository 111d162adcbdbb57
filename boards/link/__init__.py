"""What goes over the serial line."""
