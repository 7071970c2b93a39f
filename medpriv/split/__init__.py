"""Split learning: a network cut in parts that exchange activations and gradients, and nothing else."""
