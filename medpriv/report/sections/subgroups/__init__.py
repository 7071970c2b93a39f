"""The section `subgroups` of the page."""
