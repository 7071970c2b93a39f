"""The section `synthetic` of the page."""
