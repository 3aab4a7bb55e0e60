from satellite.backends.palabra.conversation import Conversation
from tests.unit.backends.palabra.stage import conversation


def test_the_parts_share_one_line() -> None:
    shared = conversation(target_languages=("fr",))
    assert isinstance(shared, Conversation)
    assert shared.targets == ("fr", "de")
    assert not shared.ending.has_begun
