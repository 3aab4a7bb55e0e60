"""The ticket desk by itself."""

import json

from satellite.emulator.conversation import Truth
from satellite.emulator.http import HttpRequest
from satellite.emulator.report import Ledger
from satellite.emulator.speech import Synthesiser
from satellite.emulator.vurbo.rest import TICKET_PATH, Rest
from satellite.emulator.vurbo.service import Service
from satellite.emulator.vurbo.settings import VurboSettings


async def test_tickets_are_all_different() -> None:
    settings = VurboSettings()
    service = Service(settings, lambda: 5.0, Truth(), Synthesiser("tones", None), Ledger(lambda: 5.0))
    desk = Rest(service)
    request = HttpRequest("POST", TICKET_PATH, (), {"x-api-key": settings.api_key}, b"")
    tickets = {json.loads((await desk.handle(request)).body)["ticket"] for _ in range(5)}
    assert tickets == set(service.tickets)
    assert all(ticket.made_s == 5.0 and not ticket.is_used for ticket in service.tickets.values())
