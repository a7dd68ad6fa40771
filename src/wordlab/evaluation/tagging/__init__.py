"""How well entities are found: tallies, intervals, confusions, errors, comparison, calibration."""
