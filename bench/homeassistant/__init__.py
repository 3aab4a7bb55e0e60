"""Home Assistant as its user sees it."""
