"""Defences against evasion: losses that a bank is trained with instead of plain cross-entropy.

Each module makes a `medpriv.bank.stack.Step`; `medpriv.treatments.robust` trains banks with them.
"""
