"""A real kernel unplug in a virtual machine: what the fault suite on FIFO cards cannot show."""
