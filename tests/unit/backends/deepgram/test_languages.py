import pytest

from satellite.backends.deepgram.languages import hints_for, is_english, is_known, model_for

EN, MULTI = "flux-general-en", "flux-general-multi"


@pytest.mark.parametrize(
    ("source", "hints", "model"),
    [
        ("en", ("en",), EN),
        ("en-GB", ("en-GB",), EN),
        ("en", (), EN),
        ("de", ("de",), MULTI),
        ("auto", (), MULTI),
        ("auto", ("en",), MULTI),
        ("en", ("en", "de"), MULTI),
    ],
)
def test_english_alone_has_a_model_of_its_own(source: str, hints: tuple[str, ...], model: str) -> None:
    assert model_for(None, source, hints) == model
    assert model_for(MULTI, source, hints) == MULTI
    assert model_for(EN, source, hints) == EN


def test_the_language_spoken_is_expected_first() -> None:
    assert hints_for("de", ("en", "DE")) == ("de", "en")
    assert hints_for("auto", ("en",)) == ("en",)
    assert hints_for("auto", ()) == ()


def test_regions_fall_back_to_their_language() -> None:
    assert is_known("pt-BR")
    assert not is_known("pl")
    assert is_english("EN-us")
    assert not is_english("de")
