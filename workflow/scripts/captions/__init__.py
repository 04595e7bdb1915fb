"""Captions as text: prompts, examples, predictions of other tools, languages, and checks of the text."""
