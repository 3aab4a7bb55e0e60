"""Vurbo voice-translation, emulated."""
