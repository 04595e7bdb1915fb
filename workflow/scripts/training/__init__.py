"""LoRA training of a base model: settings, data, trainer, checkpoints, tracking, results."""
