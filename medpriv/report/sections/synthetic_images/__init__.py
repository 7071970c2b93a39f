"""Synthetic images."""
