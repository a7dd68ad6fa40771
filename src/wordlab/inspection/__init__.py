"""Looking inside a model: costs, gradients, neighbours, maps."""
