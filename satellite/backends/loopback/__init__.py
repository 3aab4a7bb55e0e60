"""Answers by itself, without account and network: for trying a box."""
