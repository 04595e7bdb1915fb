"""From a raw record to a sample with its flags, and from samples to groups and splits."""
