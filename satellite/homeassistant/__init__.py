"""The meaning of MQTT: topics, payloads, commands. Pure."""
