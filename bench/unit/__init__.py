"""The unit as shipped, on machines that boot systemd; `python -m bench.unit --help`."""
