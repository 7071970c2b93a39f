"""A section of a toy stage."""
