"""What released synthetic rows disclose: singling-out, linkability and inference attacks after Giomi et al. (2022).

`singling_out` makes predicates of released rows, `linkability` joins two halves of a record through them, `inference`
guesses a column of it. `knowledge` says what is known and what is secret, `closeness` which released rows are like a
record, `records` attacks records by one release, `success` turns what was hit into rates, risks and the memorisation
test, and `audit` does all of it to a bank. Written from the paper (arXiv 2211.10459).
"""
