"""Decoder-only language models, costed from their `config.json` alone."""
