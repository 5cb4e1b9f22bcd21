"""Phase to susceptibility: every method, flat, one a file below."""
