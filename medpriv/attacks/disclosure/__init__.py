"""What released synthetic rows disclose: singling-out, linkability and inference attacks after Giomi et al. (2022).

`singling_out` makes predicates of released rows, `linkability` joins two halves of a record through them, `inference`
guesses a column of it; `closeness` says which released rows are like a record, `success` turns what was hit into rates,
risks and the memorisation test, and `audit` runs all on a bank. Written from the paper (arXiv 2211.10459).
"""
