"""Labelled text: words with entities, in columns or JSON lines, read with care or refused."""
