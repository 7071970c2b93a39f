"""The section `personal` of the page."""
