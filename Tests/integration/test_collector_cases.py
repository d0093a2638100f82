"""Cases that the real Collector was measured with: a gateway makes the same of them, but for
differences that are on purpose. A processor's README says each of these, with its reason."""

import pytest

import collector_cases as cases
from conftest import Processes

ATTRIBUTES = cases.load("attribute-cases.jsonl")
SAMPLER = cases.load("sampler-cases.jsonl")

# Why a gateway does something else on purpose, by case.
BEYOND_INT = "a number beyond 64 bits is not converted: what the Collector gets depends on the CPU"
ANY_LIBRARY = "one of the libraries is enough, as the Collector's documentation says"
RESOURCES_COUNT = "resources select data points; the Collector reads them and does not use them"
PRIORITY_0_AND_100 = "0 drops and 100 or more keeps, as the Collector's documentation says"
DIFFERENT = {
    "a0183": BEYOND_INT,
    "a0333": ANY_LIBRARY,
    "a0380": RESOURCES_COUNT,
    "a0478": RESOURCES_COUNT,
    "s0028": PRIORITY_0_AND_100,
    "s0029": PRIORITY_0_AND_100,
    "s0071": PRIORITY_0_AND_100,
    "s0072": PRIORITY_0_AND_100,
    "s0115": PRIORITY_0_AND_100,
    "s0172": PRIORITY_0_AND_100,
}


@pytest.fixture(scope="module")
def arrived(tmp_path_factory):
    """What arrives of each accepted case, by id; each file's cases share a gateway."""
    results = {}
    for group in (ATTRIBUTES, SAMPLER):
        processes = Processes(tmp_path_factory.mktemp("cases"))
        results |= cases.outcomes(group.accepted(), group.inputs, processes)
        processes.end(has_failed=False)
    return results


@pytest.mark.parametrize("group", [ATTRIBUTES, SAMPLER], ids=["attributes", "sampler"])
def test_what_the_collector_refuses_is_refused(group, tmp_path):
    verdicts = cases.are_refused(group.refused(), group.inputs, tmp_path)
    assert len(verdicts) > 10
    accepted = [case for case, (is_refused, _) in verdicts.items() if not is_refused]
    assert accepted == []
    # The message is about the processor, and says where.
    assert [text for _, text in verdicts.values() if ": error: processors." not in text] == []


def test_attributes_change_as_in_the_collector(arrived):
    differences = {}
    for case in ATTRIBUTES.accepted():
        before = ATTRIBUTES.inputs[case.input]["otlp"]
        changes = cases.changes(case.signal, before, arrived[case.id])
        expected = cases.normal_changes(case.expected)
        if changes != expected:
            differences[case.id] = (case.config, expected, changes)
    assert_only_on_purpose(differences, ATTRIBUTES)


def test_samplers_keep_what_the_collector_keeps(arrived):
    differences = {}
    for case in SAMPLER.accepted():
        before = SAMPLER.inputs[case.input]["otlp"]
        survivors = cases.survivors(case.signal, before, arrived[case.id])
        expected = cases.normal_survivors(case.expected)
        if survivors != expected:
            differences[case.id] = (case.config, expected, survivors)
    assert_only_on_purpose(differences, SAMPLER)


def assert_only_on_purpose(differences, group):
    unwanted = {id: what for id, what in differences.items() if id not in DIFFERENT}
    assert unwanted == {}
    known = {case.id for case in group.cases} & DIFFERENT.keys()
    assert differences.keys() == known, "a difference is gone: take it from the list"
