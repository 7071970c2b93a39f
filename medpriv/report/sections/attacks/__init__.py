"""The section `attacks` of the page."""
