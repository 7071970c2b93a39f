"""Simulators: write a publisher's own file format, with patients that can be learnt and memorised."""
