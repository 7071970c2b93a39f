"""The section `exposure` of the page."""
