"""Models that are counted, not trained: yardsticks, Kneser-Ney, and the files of such models."""
