"""The role and its playbooks, on machines that boot systemd."""
