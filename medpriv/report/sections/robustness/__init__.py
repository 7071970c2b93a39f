"""The section `robustness` of the page."""
