"""What `Configure` and `ForceEndTurn` bring about (Flux reference §3.2, §3.3)."""

from satellite.emulator.deepgram.controls import Control, RefusedError, configured
from satellite.emulator.deepgram.script import Event
from satellite.emulator.deepgram.service import Service, Session


class Orders:
    """Carries out the control messages of one connection, in their turn."""

    def __init__(self, service: Service, session: Session) -> None:
        self._service = service
        self._session = session
        self._unanswered = 0

    def expect_configure(self) -> None:
        """One came; it is carried out when all before it was heard."""
        if self._unanswered:
            detail = "a Configure while another was not answered"
            self._service.ledger.record("configures_in_flight", detail, self._session.number)
        self._unanswered += 1

    def answered_configure(self) -> None:
        """One was answered."""
        self._unanswered -= 1

    def configure(self, control: Control) -> list[Event]:
        """New settings, all or nothing."""
        variants, session = self._service.settings.variants, self._session
        if variants.refused_configures:
            return self._refused("TOO_MANY_PENDING", "too many pending updates")
        try:
            tuning = configured(control, session.config)
        except RefusedError as refused:
            return self._refused(refused.code, str(refused))
        session.config.tuning = session.script.tuning = tuning
        session.configured.append(dict(control.members))
        if variants.unanswered_configures:
            return []
        thresholds = {
            "eot_threshold": tuning.eot_threshold,
            "eager_eot_threshold": tuning.eager_eot_threshold,
            "eot_timeout_ms": tuning.eot_timeout_ms,
        }
        return [{"type": "ConfigureSuccess", "thresholds": thresholds, "keyterms": tuning.keyterms}]

    def force(self) -> list[Event]:
        """The end of the turn, with what was told of it."""
        if self._service.settings.variants.deaf_force:
            return []
        ended = self._session.script.force()
        if ended is not None:
            return ended
        return [{"type": "Warning", "code": "FORCE_END_TURN_NO_ACTIVE_TURN", "description": "nothing to end"}]

    def _refused(self, code: str, description: str) -> list[Event]:
        is_bare = self._service.settings.variants.bare_failures
        return [{"type": "ConfigureFailure", **({} if is_bare else {"code": code, "description": description})}]
