"""voice-satellite: a microphone, a cloud voice service, MQTT and a loudspeaker on a small box."""

__version__ = "0.1.0"
