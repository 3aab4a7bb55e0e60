"""Values and state machines of sound and text: pure, without I/O and clocks."""
