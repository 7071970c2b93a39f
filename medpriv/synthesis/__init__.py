"""Generators of synthetic tables: each a function from the members' rows of K replicates to K synthetic tables.

    synthesise(tables, schema, settings, rngs, rows) -> Synthesis

`tables` are K arrays of cells float64 [n_k, V + 1], `schema` says what their columns are, `rngs` and `rows` give each
replicate its randomness and the number of rows to make. A replicate's table depends on its own rows and generator
alone, and has the same bytes whatever others stand beside it. `schema` defines cells; `tables` holds what all do alike.
"""
