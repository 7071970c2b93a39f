"""Networks: one module an architecture, each in stacked form (leading axis K) and as a reference module."""
