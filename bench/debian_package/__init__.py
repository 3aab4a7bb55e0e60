"""The Debian package in bare trees of the releases that it is for."""
