"""Palabra's real-time speech translation."""
