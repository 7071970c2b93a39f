"""The re-identification audit: who is found in the table itself, before any model is trained on it?

What is judged is the table as a recipient of it would hold it: pseudonymised, its features as they stand. `columns`
says which columns others may know, `classes` what rows that look alike give away, `predicates` whom a description
singles out, `linking` what can be joined with it; `audit` puts them in one table, `criteria` beside the law's lists.
"""
