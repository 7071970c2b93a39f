"""The comparison report: tables, figures and one self-contained page."""
