"""Sentences from a model: prompts, sampling, beam search."""
