"""A clinical rule engine that says the same in other words; `engine` has what others call."""
