"""What follows from points and prices."""
