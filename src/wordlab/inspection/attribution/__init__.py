"""What a prediction or a label came from, by exact ablation."""
