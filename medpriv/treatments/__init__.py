"""Treatments: ways to make a bank of models from a dataset."""
