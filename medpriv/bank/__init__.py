"""Banks: K replicate models of one treatment, each trained on its own random half of the training patients."""
