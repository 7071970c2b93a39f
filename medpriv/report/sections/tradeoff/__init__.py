"""The section `tradeoff` of the page."""
