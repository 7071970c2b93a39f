"""The section `costs` of the page."""
