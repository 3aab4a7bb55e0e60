from satellite.app.diagnosis.report import Outcome, Report, Result, Verdict, failed, joined, passed, skipped, warned


def report(*outcomes: Outcome) -> Report:
    results = tuple(Result(f"c{at}", f"check {at}", outcome, at) for at, outcome in enumerate(outcomes))
    return Report("1.2.3", "kitchen", results)


def test_the_gravest_verdict_is_that_of_the_report() -> None:
    assert report().verdict is Verdict.SKIP
    assert report(skipped("a"), passed("b")).verdict is Verdict.PASS
    assert report(passed("a"), warned("b", "m"), skipped("c")).verdict is Verdict.WARN
    assert report(failed("a", "m"), warned("b", "m")).verdict is Verdict.FAIL


def test_what_fleets_collect_has_these_keys() -> None:
    assert report(warned("seen", "mend it")).as_json() == {
        "version": "1.2.3",
        "satellite": "kitchen",
        "verdict": "warn",
        "checks": [
            {
                "id": "c0",
                "title": "check 0",
                "verdict": "warn",
                "detail": "seen",
                "mend": "mend it",
                "duration_ms": 0,
            }
        ],
    }
    assert report(passed("seen")).results[0].outcome.mend is None


def test_several_about_one_thing_tell_the_gravest_first_and_nothing_twice() -> None:
    both = joined([passed("fine"), warned("odd", "look"), failed("broken", "mend"), warned("odd", "look")])
    assert both == Outcome(Verdict.FAIL, "broken; odd; fine", "mend; look")
    assert joined([passed("a"), skipped("b")]) == Outcome(Verdict.PASS, "a; b", None)
