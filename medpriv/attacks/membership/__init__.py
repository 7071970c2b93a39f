"""Membership inference, whatever the models say: `scores` of each kind of outputs, and the attacks on scores.

`from_predictions`, `from_samples` and `from_tokens` make the `Scores` of a bank, and `from_outputs` chooses among them.
A `View` of scores is what an attack sees (`lira`, `rmia`, `informia`, `bavaria`); `scored` and `chance` turn what it
gives into figures; `audit` does it all for a bank.
"""
