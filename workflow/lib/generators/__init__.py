"""Generators of problems with known answers, and of text to train a base model on."""
