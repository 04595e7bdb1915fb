"""Drawings as pictures, made in worker processes that can be killed."""
