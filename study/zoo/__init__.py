"""The networks of the study and their data: where they come from, how they were made."""
