"""The section `calibration` of the page."""
