"""Tasks, queues, supervision; knows no vendor, no device and no topic strings."""
