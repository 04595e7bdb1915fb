"""Drawings as text: hardened parsing, repair, and the canonical text at its levels. Knows no files and no captions."""
