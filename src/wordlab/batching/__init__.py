"""Ids to batches: windows now; each reading says how a model is fed and what it predicts."""
