"""Attacks: read a bank, see only what their threat model allows, and score what they get out or in."""
