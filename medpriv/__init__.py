"""medpriv: what a medical model remembers about its patients, who can get it out, and what stopping them costs."""

__version__ = "0.1.0"
