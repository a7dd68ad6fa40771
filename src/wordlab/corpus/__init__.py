"""Text to ids: reading, word forms, vocabularies, the token store, n-grams. NumPy only."""
