"""The section `leakage` of the page."""
