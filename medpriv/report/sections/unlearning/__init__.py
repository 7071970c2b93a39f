"""The section `unlearning` of the page."""
