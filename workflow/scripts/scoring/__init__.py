"""Metrics over captions and references, their tools, and the files of scores."""
