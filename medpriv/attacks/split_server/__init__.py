"""What crosses the cut of split learning, and what can be made of it: one module an attack, `audit` runs them all."""
