"""Differentially private training: patients as the unit, clipping, Gaussian noise, and what it guarantees."""
