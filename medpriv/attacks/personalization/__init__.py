"""The audit of personalised models: what they gain, what they give away of their patient, what they stand."""
