"""The section `comparison` of the page."""
