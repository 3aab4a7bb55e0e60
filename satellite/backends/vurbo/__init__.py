"""The voice-translation WebSocket API of Vurbo."""
