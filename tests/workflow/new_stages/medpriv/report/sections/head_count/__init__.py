"""A toy section."""
