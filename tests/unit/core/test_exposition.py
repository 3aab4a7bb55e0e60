"""The text that Prometheus reads, held against the parser that its own client library has."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from satellite.core.exposition import Family, Sample, exposition


def test_a_page_as_it_is_written() -> None:
    page = exposition(
        [
            Family("up_seconds", "gauge", "How long.", (Sample(1.5),)),
            Family(
                "work_total", "counter", "What.", (Sample(2, (("of", "a"),)), Sample(0, (("of", "b"), ("by", "c"))))
            ),
        ]
    )
    assert page == (
        "# HELP up_seconds How long.\n"
        "# TYPE up_seconds gauge\n"
        "up_seconds 1.5\n"
        "# HELP work_total What.\n"
        "# TYPE work_total counter\n"
        'work_total{of="a"} 2\n'
        'work_total{of="b",by="c"} 0\n'
    )


def test_what_has_no_value_is_left_out() -> None:
    assert exposition([Family("age_seconds", "gauge", "Of nothing.", ())]) == ""


def test_a_label_cannot_end_early() -> None:
    page = exposition([Family("info", "gauge", "a\\b\nc", (Sample(1, (("area", 'a"} 2\n\\'),)),))])
    assert page == '# HELP info a\\\\b\\nc\n# TYPE info gauge\ninfo{area="a\\"} 2\\n\\\\"} 1\n'


PRINTABLE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.sampled_from('"\\\n{}=, '))


@given(st.lists(st.tuples(PRINTABLE, st.floats(allow_nan=False)), max_size=4), PRINTABLE)
def test_what_is_written_is_what_is_read(samples: list[tuple[str, float]], meaning: str) -> None:
    family = Family("a_b", "gauge", meaning, tuple(Sample(value, (("of", label),)) for label, value in samples))
    read = list(text_string_to_metric_families(exposition([family])))
    assert [(sample.labels["of"], sample.value) for one in read for sample in one.samples] == samples
