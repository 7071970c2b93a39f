"""The section `conclusions` of the page."""
