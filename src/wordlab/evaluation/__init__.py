"""Figures that cannot be misread: totals are added, divided once, and name their protocol."""
