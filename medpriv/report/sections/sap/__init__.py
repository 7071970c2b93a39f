"""The section `sap` of the page."""
