"""The section `attributes` of the page."""
