"""Which driver and which device a configuration means; the only module that knows all sound adapters."""

from satellite.adapters import alsa_names
from satellite.adapters.capture import DeviceCapture
from satellite.adapters.playback import DevicePlayback
from satellite.adapters.sound import CaptureSettings, DeviceInfo, Direction, PlaybackSettings, file_path
from satellite.adapters.wavefile import FileCapture, FilePlayback, NullCapture, NullPlayback
from satellite.errors import DeviceError
from satellite.ports import CaptureSource, Clock, PlaybackSink

NO_DRIVER = (
    "no sound driver is installed: install voice-satellite[alsa] (or apt install python3-alsaaudio), "
    "or voice-satellite[portaudio] (or apt install python3-pyaudio)"
)


def make_capture(settings: CaptureSettings, clock: Clock) -> CaptureSource:
    """The microphone that the settings mean; opened by its `start`. Raises DeviceError when no driver is installed."""
    path = file_path(settings.device)
    if path is not None:
        return FileCapture(path, settings, clock)
    if settings.device == "null":
        return NullCapture(clock)
    return DeviceCapture(settings, choose_driver(settings.driver), clock)


def make_playback(settings: PlaybackSettings, clock: Clock) -> PlaybackSink:
    """The loudspeaker that the settings mean. Raises DeviceError when no driver is installed."""
    path = file_path(settings.device)
    if path is not None:
        return FilePlayback(path, clock)
    if settings.device == "null":
        return NullPlayback(clock)
    return DevicePlayback(settings, choose_driver(settings.driver), clock)


def choose_driver(driver: str) -> str:
    """ALSA or PortAudio, as "alsa" or "portaudio"; "auto" is ALSA where installed. Raises DeviceError without any."""
    if driver != "auto":
        return driver
    if alsa_names.is_available():
        return "alsa"
    from satellite.adapters import portaudio_host  # noqa: PLC0415 - loaded only when used

    if portaudio_host.is_available():
        return "portaudio"
    raise DeviceError(NO_DRIVER)


def list_devices(driver: str = "auto") -> list[DeviceInfo]:
    """Capture devices, then playback devices, in the order in which an index counts them. Raises DeviceError."""
    directions: tuple[Direction, Direction] = ("capture", "playback")
    if choose_driver(driver) == "alsa":
        return [info for direction in directions for info in alsa_names.list_devices(direction, is_asking=True)]
    from satellite.adapters import portaudio_host  # noqa: PLC0415 - loaded only when used

    return portaudio_host.list_devices()
