"""Raw datasets of any supported format as a stream of entries."""
