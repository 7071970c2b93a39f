"""The section `evasion` of the page."""
