"""Measures: figures with their interval and their n."""
