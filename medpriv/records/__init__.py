"""What a dataset is made of: who its people are (`cohort`), what is told about them (`labels`), and their records.

A record is a row of a table, a signal, an image or a text: one module each. They know nothing of models and attacks,
nor of `medpriv.dataset`, which puts them together.
"""
