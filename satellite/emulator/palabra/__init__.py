"""Palabra on loopback, strict as published."""
