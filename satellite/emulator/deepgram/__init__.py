"""Deepgram Flux on loopback, strict as published."""
