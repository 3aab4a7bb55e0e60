from satellite.backends.deepgram.manners import Manners, Memory


def test_what_was_found_out_holds_for_one_address() -> None:
    memory = Memory()
    memory.of("wss://old").forces_turns = False
    assert memory.of("wss://old") == Manners(forces_turns=False)
    assert memory.of("wss://new") == Manners(forces_turns=True, configures=True)
