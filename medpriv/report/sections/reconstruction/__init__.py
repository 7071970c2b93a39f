"""The section `reconstruction` of the page."""
