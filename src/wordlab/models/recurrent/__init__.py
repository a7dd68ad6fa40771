"""Recurrent networks: one encoder, and a file for each kind of cell."""
