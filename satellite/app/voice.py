"""VoiceRoom: the chosen backend with its options; makes sessions and their links, and judges settings."""

from collections.abc import Callable, Mapping

import msgspec

from satellite.adapters.encoder import make_encoder
from satellite.adapters.link import SessionDriver
from satellite.app import parts
from satellite.backends.base import Backend, BackendSession, RuntimeAction, SessionSetup, Severity
from satellite.backends.registry import load as load_backend
from satellite.config.model import Config
from satellite.core.backlog import Backlog
from satellite.core.events import VoiceEvent
from satellite.core.section import Section
from satellite.homeassistant.entities import Offer, with_present
from satellite.ports import Clock, VoiceLink
from satellite.runtime.settings import RuntimeSettings


class VoiceRoom:
    """Where voice sessions come from."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._voice = config.voice
        self._options = config.voice.options
        self._backend: Backend[Section] = load_backend(config.voice.backend)
        self._clock = clock

    @property
    def name(self) -> str:
        """The backend's name."""
        return self._backend.name

    @property
    def targets_max(self) -> int:
        """How many languages a session can be translated to."""
        return self._backend.capabilities.max_target_languages

    @property
    def actions(self) -> Mapping[str, RuntimeAction]:
        """What may be asked of a running session."""
        return self._backend.actions

    def make_session(
        self, backlog: Backlog, settings: RuntimeSettings, standing: Mapping[str, Section]
    ) -> BackendSession:
        """A session with these settings, not started yet; `standing` are the actions that outlast a session."""
        setup = SessionSetup(
            backlog=backlog,
            encoder=make_encoder(self._backend.upload_format(self._options).value),
            source_language=settings.source_language,
            target_languages=settings.target_languages,
            speech_language=settings.speech_language,
            speech_voice=self._voice.speech_voice,
            idle_close_s=self._voice.idle_close_s,
            standing=dict(standing),
            unique_id=parts.new_id() + parts.new_id(),
        )
        return self._backend.create(self._options, setup)

    def make_link(self, session: BackendSession, on_event: Callable[[VoiceEvent], None], session_id: str) -> VoiceLink:
        """What drives a session."""
        return SessionDriver(session, on_event, self._clock, session_id=session_id)

    def offer(self, settings: RuntimeSettings) -> Offer:
        """What can be chosen with these settings, and what comes out."""
        capabilities, languages = self._backend.capabilities, self._backend.languages
        return Offer(
            sources=with_present(languages.sources, settings.source_language, detects=capabilities.detects_language),
            spoken=with_present(languages.spoken, settings.speech_language),
            targets=settings.target_languages,
            translates=capabilities.translates,
            speaks=capabilities.speaks,
        )

    def objection(self, settings: RuntimeSettings) -> str | None:
        """Why the backend cannot work with these settings, None when it can."""
        choice = msgspec.structs.replace(
            self._voice,
            source_language=settings.source_language,
            target_languages=settings.target_languages,
            speech_language=settings.speech_language,
        )
        findings = self._backend.check(self._options, choice)
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        return "; ".join(finding.message for finding in errors) or None
