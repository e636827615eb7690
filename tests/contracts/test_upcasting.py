"""What was released in an older version is read as the newest, forever.

`golden/<wire type>.json` holds one real content of each older version and what it is read as.
"""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from steward_events.fact import Fact, NewerVersion, Unreadable, read_fact, upcaster
from steward_events.intake import CaseReceived
from steward_events.jsonschema import published_facts
from steward_events.registry import ProjectRegistered, SuggestionBoxRegistered
from steward_events.vocabulary import Id, Instant, Kind, PolicyName, Zone

ZONE = "Asia/Shanghai"
GOLDEN = Path(__file__).parent / "golden"


class AnswerGivenV1(Fact, name="example.answer_given"):
    case_id: Id
    answer: str
    by: str


class AnswerGiven(Fact, name="example.answer_given", version=3):
    """The third version; of the second nothing is left but the step through it."""

    case_id: Id
    decision: Literal["will", "will_not"]
    text: str
    by_date: Instant


@upcaster("example.answer_given", 1)
def name_the_text(was: dict[str, Any]) -> dict[str, Any]:
    return {"case_id": was["case_id"], "text": was["answer"], "by": was["by"]}


@upcaster("example.answer_given", 2)
def decide(was: dict[str, Any]) -> dict[str, Any]:
    by_date = f"{was.pop('by')}T00:00:00Z"
    return {**was, "decision": "will", "by_date": by_date}


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.json")), ids=lambda file: file.stem)
def test_an_older_version_is_read_as_the_newest(file: Path) -> None:
    golden = json.loads(file.read_text(encoding="utf-8"))
    fact = read_fact(file.stem, json.dumps(golden["was"]))
    assert fact is not None
    assert json.loads(fact.model_dump_json()) == golden["is"]


def test_every_older_version_that_was_released_has_its_golden_file() -> None:
    newest: dict[str, int] = {}
    for fact in published_facts():
        newest[fact.wire_name] = max(fact.wire_version, newest.get(fact.wire_name, 1))
    wanted = {f"{name}.v{version}" for name, last in newest.items() for version in range(1, last)}
    assert wanted - {file.stem for file in GOLDEN.glob("*.json")} == set()


def test_the_newest_is_read_as_it_is_and_a_newer_one_is_said_to_be_newer() -> None:
    now = {"case_id": "c-1", "decision": "will_not", "text": "", "by_date": "2026-10-02T00:00:00Z"}
    assert isinstance(read_fact("example.answer_given.v3", json.dumps(now)), AnswerGiven)
    with pytest.raises(NewerVersion, match="newer than example.answer_given.v3"):
        read_fact("example.answer_given.v4", "{}")


@pytest.mark.parametrize("content", ["{", "[]", '{"case_id": "c-1", "answer": 1, "by": "soon"}'])
def test_an_older_version_that_cannot_be_read_is_said_to_be_so(content: str) -> None:
    with pytest.raises(Unreadable):
        read_fact("example.answer_given.v1", content)


def test_an_older_version_without_its_content_is_unreadable_too() -> None:
    with pytest.raises(Unreadable, match=r"example\.answer_given\.v1 cannot be read"):
        read_fact("example.answer_given.v1", "{}")


def test_a_step_that_nobody_declared_is_named() -> None:
    class Gone(Fact, name="example.gone", version=2):
        case_id: Id

    assert Gone.wire_type == "example.gone.v2"
    with pytest.raises(Unreadable, match="no upcaster"):
        read_fact("example.gone.v1", "{}")


class Measured(Fact, name="example.measured"):
    share: float


@pytest.mark.parametrize("said", ["Infinity", "NaN", "1e400", '"inf"', f'"{"9" * 5_000}"'])
def test_a_number_that_json_cannot_say_is_not_read(said: str) -> None:
    with pytest.raises(Unreadable, match="finite"):
        read_fact("example.measured.v1", f'{{"share": {said}}}')


class Counted(Fact, name="example.counted"):
    fields: dict[str, int]


@pytest.mark.parametrize(
    ("said", "told"), [("王芳 13800138000", "fields.…: "), ("room", "fields.room: ")]
)
def test_why_a_fact_is_not_read_names_only_what_is_a_plain_name(said: str, told: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_fact("example.counted.v1", json.dumps({"fields": {said: "x"}}))
    assert told in str(unreadable.value)


class Ruled(Fact, name="example.ruled"):
    policy: PolicyName = ""


@pytest.mark.parametrize("policy", ["王芳", "a b@1", "x\n"])
def test_a_fact_of_what_is_no_name_of_a_policy_is_not_read(policy: str) -> None:
    with pytest.raises(Unreadable, match="the name of a policy"):
        read_fact("example.ruled.v1", json.dumps({"policy": policy}))


@pytest.mark.parametrize("policy", ["residential-cn@2026.4+lakeside@1", ""])
def test_a_fact_of_a_policy_or_of_none_is_read(policy: str) -> None:
    assert read_fact("example.ruled.v1", json.dumps({"policy": policy})) == Ruled(policy=policy)


class Opened(Fact, name="example.opened"):
    zone: Zone


@pytest.mark.parametrize("zone", ["Mars/Base", "钱桂兰", "../Asia", "Asia", "x" * 200])
def test_a_fact_of_a_time_zone_that_does_not_exist_is_not_read(zone: str) -> None:
    with pytest.raises(Unreadable, match="a time zone that exists"):
        read_fact("example.opened.v1", json.dumps({"zone": zone}))


@pytest.mark.parametrize(
    "fact",
    [
        CaseReceived(
            case_id="c1", number="P-1", project_id="p1", zone=ZONE, policy="", kind=Kind.COMPLAINT
        ),
        ProjectRegistered(project_id="p1", group_id="g1", name="P", zone=ZONE),
        SuggestionBoxRegistered(box_id="b1", project_id="p1", zone=ZONE, group_id="g1", pack=""),
    ],
    ids=lambda fact: fact.wire_name,
)
def test_a_case_a_project_and_a_box_are_not_read_without_a_time_zone(fact: Fact) -> None:
    said = fact.model_dump(mode="json")
    assert read_fact(fact.wire_type, json.dumps(said)) == fact
    with pytest.raises(Unreadable, match="zone: must be a time zone that exists"):
        read_fact(fact.wire_type, json.dumps({**said, "zone": ""}))


@pytest.mark.parametrize("zone", ["Asia/Shanghai", ""])
def test_a_fact_of_a_time_zone_that_exists_or_is_not_known_yet_is_read(zone: str) -> None:
    assert read_fact("example.opened.v1", json.dumps({"zone": zone})) == Opened(zone=zone)
