"""The configuration and what follows from it before anything runs: faults, systems, jobs, shards."""
