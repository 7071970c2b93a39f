"""The section `roc` of the page."""
