"""Configuration: one model, one pass that reports every problem, secrets that mask themselves."""
