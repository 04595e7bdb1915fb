"""Model folders: where models come from, their files and digests, and what loads them on a device."""
