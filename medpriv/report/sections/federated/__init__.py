"""The section `federated` of the page."""
