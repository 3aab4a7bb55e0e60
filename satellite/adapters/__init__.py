"""Everything that opens a device, a socket, a file or a process, or reads a clock."""
