"""Captions from models: engines for LLMs, captioners of images, resumable and sharded jobs."""
