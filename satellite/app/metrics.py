"""What Prometheus is told of this satellite; loaded only where metrics are served."""

from collections.abc import Awaitable, Callable

from satellite.adapters.metrics import MetricsServer
from satellite.adapters.mqtt import MqttLink
from satellite.config.model import Config
from satellite.core.exposition import exposition
from satellite.homeassistant.metrics import Day, Identity, Present, families
from satellite.runtime.standing import Standing


def metrics_service(config: Config, standing: Standing, link: MqttLink) -> Callable[[], Awaitable[None]]:
    """A service that serves them; the page is made anew each time that it is asked for."""
    limit_min = config.voice.daily_limit_min
    limit_s = None if limit_min is None else limit_min * 60
    identity = Identity(config.satellite.id, config.satellite.area, config.voice.backend)

    def page() -> str:
        assert standing.health is not None and standing.usage is not None  # noqa: S101, PT018 - introduced at the start
        _, streamed_s = standing.usage()
        day = Day(streamed_s, streamed_s, limit_s)
        present = Present(
            state=standing.state,
            cloud=standing.link,
            problems=standing.problems,
            is_muted=standing.is_muted,
            is_online=link.is_connected,
        )
        return exposition(families(identity, present, standing.health(), day))

    return MetricsServer(config.metrics.host, config.metrics.port, page).run
