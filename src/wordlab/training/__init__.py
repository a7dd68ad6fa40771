"""Training: optimisers, rates, the curriculum, and a loop that yields epochs."""
