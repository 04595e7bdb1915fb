"""Drawings as text: hardened parsing, repair, and the canonical text at its levels. Reads no files or captions."""
