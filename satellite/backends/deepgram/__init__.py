"""Deepgram Flux: turn-based transcription."""
