"""This room is a whole network: memories, addresses, the array, the way out, and what runs the records."""
