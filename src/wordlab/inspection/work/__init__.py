"""What a model's parts do with a batch: by formula, counted as it runs, and by the clock."""
