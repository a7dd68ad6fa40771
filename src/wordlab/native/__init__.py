"""Kernels that are compiled with the package, where there was a compiler."""
