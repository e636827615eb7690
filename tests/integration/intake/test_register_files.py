"""Registers as files, over HTTP on a real PostgreSQL."""

import io
from typing import Any

import pytest
from openpyxl import Workbook
from tests.integration.intake.conftest import Caller, Office

from steward_service.http import MAX_FILE_BYTES

CSV = "text/csv"
TABLE = """项目,房号,姓名,手机,重点户
湖畔花园,1-101,王芳,13800138000,是
湖畔花园,1-102,李强,1380013800x,
湖畔花园,1-103,张伟,13600136000,
天上人间,1-104,赵敏,13500135000,
湖畔花园,,孙立,13500135001,
"""


async def taken(caller: Caller, content: bytes, media_type: str = CSV, **params: Any) -> Any:
    answer = await caller.send("registers/files", content, media_type, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(report: Any) -> tuple[int, int, int, int]:
    read = [report[name] for name in ("rows_read", "registered", "changed", "unchanged")]
    assert sum(read[1:]) + len(report["refused"]) == read[0]
    return read[0], read[1], read[2], read[3]


async def people_of(caller: Caller, project_id: str) -> list[dict[str, Any]]:
    people: list[dict[str, Any]] = (await caller.get("people", project_id=project_id)).json()[
        "items"
    ]
    return people


async def test_a_file_is_registered_line_by_line_and_bad_lines_are_named(
    registered: Caller, office: Office
) -> None:
    report = await taken(registered, TABLE.encode("gb18030"), kind="households")
    assert counts(report) == (5, 2, 0, 0)
    assert report["refused"] == [
        {
            "sheet": "",
            "line": 3,
            "column": "手机",
            "error": "The column “手机” holds no telephone number, but “9999999999a”.",
        },
        {"sheet": "", "line": 5, "column": "", "error": "There is no project “天上人间”."},
        {
            "sheet": "",
            "line": 6,
            "column": "",
            "error": "The line names no household: give its 房号 (room) or 住户编号.",
        },
    ]
    households = (await registered.get("households", project_id="lakeside")).json()["items"]
    assert [(each["household_id"], each["key"]) for each in households] == [
        ("h1", False),
        ("lakeside-1-101", True),
        ("lakeside-1-103", False),
    ]
    assert households[1]["address"] == {"sealed": True}
    people = [p for p in await people_of(registered, "lakeside") if p["person_id"] != "p1"]
    assert [person["household_id"] for person in people] == ["lakeside-1-101", "lakeside-1-103"]
    for person in people:
        assert "13800138000" not in str(
            await office.store.facts_of(f"person-{person['person_id']}")
        )


async def test_the_same_file_again_changes_nothing_and_a_new_one_what_is_new(
    registered: Caller,
) -> None:
    await taken(registered, TABLE.encode(), kind="households")
    again = await taken(registered, TABLE.encode("utf-16"), kind="住户")
    assert counts(again) == (5, 0, 0, 2)
    # Without the column of the telephone, what stands stays.
    moved = "小区,房号,姓名,迁出日期\nlakeside,1栋101室,王芳,2026/9/1\nlakeside,1栋103,张伟,\n"
    report = await taken(registered, moved.encode(), name="业主.csv")
    assert counts(report) == (2, 0, 1, 1)
    [person] = [p for p in await people_of(registered, "lakeside") if p["moved_out"]]
    assert (person["moved_out"], person["phone"]) == ("2026-09-01", {"sealed": True})


async def test_a_file_sent_again_under_its_key_is_answered_as_the_first_time(
    registered: Caller,
) -> None:
    headers = {"Idempotency-Key": "once", "Content-Type": CSV}
    path = "/v1/registers/files?kind=households"
    first, again = [
        await registered.http.post(path, content=TABLE.encode(), headers=headers) for _ in range(2)
    ]
    assert first.json()["registered"] == 2
    assert again.json() == first.json()


async def test_a_dry_run_changes_nothing_and_says_what_would(
    registered: Caller, office: Office
) -> None:
    book = Workbook()
    for title, *rows in (
        ("业主", ["项目", "房号", "姓名"], ["新城", "1", "陈晨"], ["新城", "9", "周涛"]),
        ("住户", ["项目", "房号"], ["新城", "1"]),
        ("项目", ["项目", "集团"], ["新城", "g1"], ["旧城", "g9"]),
        ("角色", ["项目", "岗位", "工号"], ["新城", "管家", "m1"], ["新城", "管家", "nobody"]),
    ):
        sheet = book.create_sheet(str(title))
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)

    async def stored() -> tuple[Any, Any]:
        return (
            await office.store.pool.fetchval("SELECT count(*) FROM events"),
            await office.authenticator.pool.fetchval("SELECT count(*) FROM subject_keys"),
        )

    before = await stored()
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    dry = await taken(registered, content.getvalue(), media_type, dry_run=True)
    assert await stored() == before
    real = await taken(registered, content.getvalue(), media_type)
    assert dry == {**real, "dry_run": True}
    assert counts(real) == (7, 4, 0, 0)
    assert [(each["sheet"], each["line"], each["error"]) for each in real["refused"]] == [
        ("业主", 3, "There is no household “新城-9”."),
        ("角色", 3, "There is no member of staff “nobody” of the project's group."),
        ("项目", 3, "There is no group “g9”."),
    ]
    dry = await taken(registered, content.getvalue(), media_type, dry_run=True)
    assert counts(dry) == (7, 0, 0, 4)


@pytest.mark.parametrize(
    ("content", "params", "status", "sentence"),
    [
        (b"a,b\n1,2\n", {}, 422, "No sheet has lines of a known kind"),
        (b"a,b\n1,2\n", {"kind": "poems"}, 422, "There is no such kind"),
        (
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
            {"kind": "people"},
            422,
            "neither XLSX nor a text",
        ),
        (TABLE.encode(), {"kind": "people", "dryrun": "true"}, 422, "“dryrun” is not known here"),
        (bytes(MAX_FILE_BYTES + 1), {"kind": "people"}, 413, "too large"),
    ],
)
async def test_what_cannot_be_taken_is_refused_in_a_sentence(
    registered: Caller, content: bytes, params: dict[str, str], status: int, sentence: str
) -> None:
    answer = await registered.send("registers/files", content, CSV, **params)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True)


async def test_a_line_that_is_refused_since_another_is_bad_names_that_line(
    registered: Caller,
) -> None:
    book = Workbook()
    for title, *rows in (
        ("项目", ["项目", "集团"], ["新城", "没有"]),
        ("住户", ["项目", "房号", "重点户"], ["新城", "1", ""], ["lakeside", "2", "也许"]),
        ("业主", ["项目", "房号", "姓名"], ["lakeside", "2", "陈晨"], ["lakeside", "3", "周涛"]),
    ):
        sheet = book.create_sheet(str(title))
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    report = await taken(registered, content.getvalue())
    assert [(each["sheet"], each["line"], each["error"]) for each in report["refused"]] == [
        ("业主", 2, "There is no household “lakeside-2”: its own line 3 of 住户 is bad."),
        ("业主", 3, "There is no household “lakeside-3”."),
        ("住户", 2, "There is no project “新城”: its own line 2 of 项目 is bad."),
        ("住户", 3, "The column “重点户” must say 是 or 否 (yes or no), not “aa”."),
        ("项目", 2, "There is no group “没有”."),
    ]


async def test_a_registrar_registers_only_at_their_projects(
    registered: Caller, office: Office
) -> None:
    _, key = await office.authenticator.make_key("desk", ["registrar"], ["hillside"])
    registered.http.headers["Authorization"] = f"Bearer {key}"
    table = "项目,房号\nhillside,1\nlakeside,1\n"
    report = await taken(registered, table.encode(), kind="households")
    assert counts(report) == (2, 1, 0, 0)
    assert report["refused"][0]["error"] == "Your key is not valid for this project."
