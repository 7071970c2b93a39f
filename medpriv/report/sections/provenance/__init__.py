"""The section `provenance` of the page."""
