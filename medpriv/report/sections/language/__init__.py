"""The section `language` of the page."""
