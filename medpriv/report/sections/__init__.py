"""The page's sections on one question each: words, tables and figures from the earlier stages' figures."""
