"""The section `examples` of the page."""
