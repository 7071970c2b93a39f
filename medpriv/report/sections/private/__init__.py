"""The section `private` of the page."""
