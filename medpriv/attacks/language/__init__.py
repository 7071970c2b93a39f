"""Attacks on language models: whose texts was a model fine-tuned on?

All attacks read cached passes: what a model says of each answer token (`medpriv.language.passes`). `scores` turns those
of a target and of the base into one number a text, `ragged` are its sums over texts; `told` collects the passes of a
bank, `variants` makes paraphrases, neighbours and prefixes that models are asked about besides. `contenders` sends the
numbers through the membership attacks of `medpriv.attacks.membership`; `sequences` does so with whole sequences of
tokens, `learnt` learns from other replicates. `blind` tells what the texts give away without a model, `extraction` what
a model writes down, and `audit` does it all for a bank.
"""
