"""Attacks on released synthetic tables: who was in the table that the generator was fitted to?

`released` holds what an attacker sees: the released rows, a reference of people whom nobody trained on, and the records
asked about, all as `features`. One number a record and release comes from `nearest` (distances), `density` (kernel
densities), `discriminators` (classifiers), `queries` (marginal counts); `learnt` learns from other replicates what such
numbers say of members, `white_box` does so with a diffusion model's own losses. `contenders` sends them through the
membership attacks of `medpriv.attacks.membership`, `best` picks the strongest on other replicates, `holdout` tests
whether anything was learnt of single people at all, and `audit` does it all for a bank.
"""
