"""Generators of synthetic tables: each a function from the members' rows of K replicates to K synthetic tables."""
