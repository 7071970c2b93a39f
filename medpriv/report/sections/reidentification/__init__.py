"""The section `reidentification` of the page."""
