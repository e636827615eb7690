"""Registers as a service centre keeps them: every spelling of a thing is the same thing."""

import io
import re
import zipfile
from datetime import date, datetime
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from steward_events.vocabulary import Language, Role
from steward_intake.application import registration as registry
from steward_intake.application.register_files import (
    KINDS,
    LONGEST,
    Found,
    Known,
    kind_named,
    read,
)
from steward_intake.application.registration import Registration
from steward_intake.application.spreadsheets import MOST_LINES, WIDEST, NoTable, sheets_of

KNOWN = Known(
    lambda text: sha256(text.encode()).hexdigest(),
    {"湖畔花园": "lakeside"},
    {"g1": "g1"},
    project_id="lakeside",
)


def found(content: bytes, kind: str | None = "households", known: Known = KNOWN) -> Found:
    return read(sheets_of(content), kind, known)


def said(
    content: bytes, kind: str | None = "households", known: Known = KNOWN
) -> list[Registration]:
    """Read a file of which every line can be read."""
    result = found(content, kind, known)
    assert [complaint.error for complaint in result.refused.values()] == []
    return [entry.says for entry in result.entries.values()]


def refusals(result: Found) -> list[tuple[int, str, str]]:
    return [(place.line, each.column, each.error) for place, each in result.refused.items()]


def workbook(*rows: list[Any], name: str = "住户", **more: list[list[Any]]) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = name
    for row in rows:
        sheet.append(row)
    for title, others in more.items():
        sheet = book.create_sheet(title)
        for row in others:
            sheet.append(row)
    return saved(book)


def saved(book: Workbook) -> bytes:
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


TABLE = "房号,姓名,手机\r\n1-101,王芳,13800138000\r\n1-102,李强,13900139000\r\n"


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("gb18030"),
        TABLE.encode("utf-16"),
        TABLE.encode("utf-16-le"),
        b"\xfe\xff" + TABLE.encode("utf-16-be"),
        TABLE.replace(",", ";").encode(),
        TABLE.replace(",", "\t").encode("utf-16"),
        ("sep=;\r\n" + TABLE.replace(",", ";")).encode(),
        TABLE.replace("\r\n", "\n").encode(),
        TABLE.replace("\r\n", "\r").encode(),
        ("\r\n,,\r\n湖畔花园住户登记表,,\r\n" + TABLE + ",,\r\n\r\n").encode(),
        TABLE.replace("1-101", "１－１０１").replace("王芳", "\u3000王芳 ").encode(),
        TABLE.replace("13800138000", "１３８００１３８０００").encode(),
        TABLE.replace("13800138000", "138 0013-8000").encode(),
        TABLE.replace("13800138000", "+86 138-0013-8000").encode(),
        TABLE.replace("13800138000", "8613800138000").encode(),
        TABLE.replace("13800138000", "1.3800138E+10").encode(),
        TABLE.replace("13800138000", "13800138000.0").encode(),
        TABLE.replace("1-101", "1栋101室").encode(),
        TABLE.replace("房号", "房 号（必填）").encode(),
        TABLE.replace("房号,姓名,手机", "Room,Name,Phone").encode(),
        workbook(["房号", "姓名", "手机"], ["1-101", "王芳", 13800138000.0], ["1-102", "李强", 13900139000]),
        workbook(
            [None], ["住户登记表"], ["房号", "联系人", None], [None, "姓名", "手机"],
            ["1-101", "王芳", "13800138000"], [None, None, None], ["1-102", "李强", "13900139000"],
        ),
    ],
    ids=count(),
)  # fmt: skip
def test_one_table_in_many_shapes_says_the_same(content: bytes) -> None:
    entries = said(content)
    assert [entry for entry in entries if isinstance(entry, registry.Household)] == [
        registry.Household(household_id=f"lakeside-1-{n}", project_id="lakeside", address=f"1-{n}")
        for n in (101, 102)
    ]
    people = [entry for entry in entries if isinstance(entry, registry.Person)]
    assert [(person.name, person.phone) for person in people] == [
        ("王芳", "13800138000"),
        ("李强", "13900139000"),
    ]
    assert [person.household_id for person in people] == ["lakeside-1-101", "lakeside-1-102"]
    assert people == [e for e in said(TABLE.encode()) if isinstance(e, registry.Person)]


@pytest.mark.parametrize(
    ("cells", "column", "error"),
    [
        (["1-101", "王芳", "#N/A"], "手机", "The column “手机” holds a formula's error (#N/A)."),
        (
            ["1-101", "王芳", "1.38E+10"],
            "手机",
            "The column “手机” holds a telephone number of which the spreadsheet kept only a part.",
        ),
        (
            ["1-101", "王芳", "138x00y"],
            "手机",
            "The column “手机” holds no telephone number, but “999a99a”.",
        ),
        (["", "王芳", ""], "", "The line names no household: give its 房号 (room) or 住户编号."),
        (
            ["1-101|" + "9" * 100, "", ""],
            "",
            "The line's household_id is too long: it may have 100 characters at most.",
        ),
    ],
)
def test_a_bad_line_is_named_and_stops_no_other(cells: list[str], column: str, error: str) -> None:
    text = f"房号,姓名,手机\n{','.join(cells)}\n1-102,李强,13900139000\n"
    result = found(text.encode())
    assert refusals(result) == [(2, column, error)]
    assert [entry.says.model_dump()["type"] for entry in result.entries.values()] == [
        "household",
        "person",
    ]
    assert len(result.places) == 2


@pytest.mark.parametrize("broken", ['1-2,"李强,13900139000', '1-2,李强,"13900139000', '"1-2,李强,'])
@pytest.mark.parametrize(
    "after",
    [
        "",
        "1-3,张伟,13600136000\n",
        '1-3,"张伟",13600136000\n',
        '"1-3",张伟,"13600136000"\n1-3,"张伟","13600136000"\n',
        '1-3,"张\n伟",13600136000\n',
    ],
)
def test_a_quotation_mark_that_is_not_closed_swallows_no_other_line(
    broken: str, after: str
) -> None:
    text = f'房号,姓名,手机\n1-1,"王""小""芳",13800138000\n{broken}\n{after}'
    result = found(text.encode())
    assert refusals(result) == [(3, "", "The line has a quotation mark that is never closed.")]
    people = [e.says for e in result.entries.values() if isinstance(e.says, registry.Person)]
    names = ['王"小"芳', *(["张 伟" if "张\n伟" in after else "张伟"] if after else [])]
    assert [person.name for person in people] == names


def test_a_quotation_mark_that_is_not_closed_above_the_lines_is_named_too() -> None:
    for text, lines in (('房号,"姓名\n', [1]), ('房号,"姓名\n1-1,王芳\n', [1, 2])):
        assert [line for line, _, _ in refusals(found(text.encode()))] == lines


def test_a_quotation_mark_within_a_cell_is_a_part_of_it() -> None:
    [_, person] = said('房号,姓名,手机\n1-1,"王"芳,13800138000\n'.encode())
    assert isinstance(person, registry.Person)
    assert person.name == "王芳"


def test_an_implausible_day_of_moving_in_is_refused_and_one_of_moving_out_is_not() -> None:
    known = Known(KNOWN.digest, {"lakeside": "lakeside"}, {"g1": "g1"}, last_day=date(2027, 6, 1))
    text = (
        "房号,姓名,入住日期,迁出日期\n1,王,1929-12-31,\n2,李,1930-01-01,2040-01-01\n"
        "3,张,2027-06-01,\n4,陈,2027-06-02,\n"
    )
    error = "The column “入住日期” holds a day before 1930 or more than a year ahead."
    assert refusals(found(text.encode(), "people", known)) == [
        (2, "入住日期", error),
        (5, "入住日期", error),
    ]


def test_a_room_that_the_spreadsheet_made_a_date_is_refused() -> None:
    result = found(workbook(["房号", "姓名"], [datetime.fromisoformat("2026-03-02"), "王芳"]))
    [(line, column, error)] = refusals(result)
    assert (line, column) == (2, "房号")
    assert "holds a date" in error


def test_a_formula_s_error_in_a_workbook_is_refused() -> None:
    result = found(workbook(["房号", "姓名"], ["1-101", "#REF!"], ["1-102", "王芳"]))
    assert [(line, column) for line, column, _ in refusals(result)] == [(2, "姓名")]


@pytest.mark.parametrize("epoch_1904", [False, True])
def test_days_are_read_however_they_are_kept(epoch_1904: bool) -> None:
    book = Workbook()
    if epoch_1904:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.active
    assert sheet is not None
    sheet.title = "业主"
    sheet.append(["房号", "姓名", "入住日期", "迁出日期"])
    serial = 45000 - (1462 if epoch_1904 else 0)
    for n, day in enumerate(
        [serial, date(2023, 3, 15), datetime.fromisoformat("2023-03-15"), "2023/3/15", "2023年3月15日", "20230315", "2023.3.15"]
    ):  # fmt: skip
        sheet.append([f"1-{n}", "王芳", day])
    people = said(saved(book), None)
    assert [p.moved_in for p in people if isinstance(p, registry.Person)] == [date(2023, 3, 15)] * 7
    wrong = found("房号,姓名,入住日期\n1,王,2023-02-30\n2,李,03/15/2023\n".encode(), "people")
    assert [error for _, _, error in refusals(wrong)] == [
        "The column “入住日期” names a day that no calendar has.",
        "The column “入住日期” holds no date as 2026-10-01, but “99/99/9999”.",
    ]


def test_one_workbook_holds_every_kind_and_its_sheets_name_each_other() -> None:
    content = workbook(
        ["集团编号", "集团名称"],
        ["g2", "云山物业"],
        name="集团",
        片区=[["项目", "片区", "管家", "楼栋"], ["云山郡", "东区", "赵敏", "1、2"], ["云山郡", "东区", "赵敏", "3"]],
        角色=[["项目", "岗位", "工号"], ["云山郡", "项目经理", "E2"]],
        员工=[
            ["工号", "姓名", "手机", "集团", "项目", "岗位"],
            ["E1", "赵敏", "13700137000", "g2", "云山郡", "管家"],
            ["E2", "孙立", "13600136000", "g2", None, None],
            [None, "周涛", "13500135000", "g2", None, None],
        ],
        住户=[["项目", "楼栋", "单元", "房号", "重点户"], ["云山郡", "3栋", "2单元", 101, "是"]],
        业主=[["项目", "楼栋", "单元", "房号", "姓名", "语言"], ["云山郡", 3, 2, 101, "陈晨", "英文"]],
        项目=[["项目编号", "项目名称"], ["ys", "云山郡"]],
        部门=[["部门", "项目", "负责人"], ["工程部", "云山郡", "孙立"]],
        说明=[["请勿改动"]],
    )  # fmt: skip
    result = found(content, None, Known(KNOWN.digest))
    assert refusals(result) == []
    assert list(result.ignored) == [("说明", None)]
    entries = [entry.says for entry in result.entries.values()]
    other_staff = f"staff-{KNOWN.digest('13500135000')[:12]}"
    person = f"ys-3-2-101-{KNOWN.digest('ys-3-2-101|陈晨')[:10]}"
    assert entries == [
        registry.Group(group_id="g2", name="云山物业"),
        registry.Project(project_id="ys", group_id="g2", name="云山郡"),
        registry.Staff(person_id="E1", group_id="g2", name="赵敏", phone="13700137000"),
        registry.Holder(project_id="ys", role=Role.FRONTLINE, person_id="E1"),
        registry.Staff(person_id="E2", group_id="g2", name="孙立", phone="13600136000"),
        registry.Staff(person_id=other_staff, group_id="g2", name="周涛", phone="13500135000"),
        registry.Department(department_id="ys-工程部", project_id="ys", name="工程部", head="E2"),
        registry.Household(household_id="ys-3-2-101", project_id="ys", address="3-2-101", key=True),
        registry.Person(
            person_id=person, household_id="ys-3-2-101", name="陈晨", language=Language.ENGLISH
        ),
        registry.Holder(project_id="ys", role=Role.CENTRE_MANAGER, person_id="E2"),
        registry.Zone(
            zone_id="ys-东区",
            project_id="ys",
            person_id="E1",
            name="东区",
            buildings=("1", "2", "3"),
        ),
    ]


def test_where_there_are_several_a_line_names_its_project() -> None:
    several = Known(KNOWN.digest, {"east": "east", "west": "west"}, {"g1": "g1", "g2": "g2"})
    assert refusals(found("房号\n1-101\n".encode(), known=several)) == [
        (2, "", "The line names no project: give its 项目 (project).")
    ]
    assert refusals(found("工号\nE1\n".encode(), "staff", known=several)) == [
        (2, "", "The line names no group: give its 集团 (group).")
    ]


def test_a_group_is_named_by_its_id_or_its_name() -> None:
    registered = {"g1": "g1", "云山物业": "g1", "东方": None, "e1": "e1", "e2": "e2"}
    result = found(
        workbook(
            ["项目", "集团"],
            ["甲", "云山物业"], ["乙", "g1"], ["丙", "蓝天 物业"], ["丁", "东方"], ["戊", "南方"],
            name="项目",
            集团=[["集团编号", "集团名称"], ["g2", "蓝天 物业"], ["s1", "南方"], ["s2", "南方"]],
        ),
        None,
        Known(KNOWN.digest, groups=registered),
    )  # fmt: skip
    projects = [e.says for e in result.entries.values() if isinstance(e.says, registry.Project)]
    assert [(each.name, each.group_id) for each in projects] == [
        ("甲", "g1"),
        ("乙", "g1"),
        ("丙", "g2"),
    ]
    ambiguous = "Two groups have this name: give a 集团编号."
    assert refusals(result) == [(5, "", ambiguous), (6, "", ambiguous)]


def test_a_name_that_two_projects_bear_names_neither() -> None:
    known = Known(KNOWN.digest, {"east": "east", "west": "west", "云山郡": None})
    assert refusals(found("项目,房号\n云山郡,1\n".encode(), known=known)) == [
        (2, "", "Two projects have this name: give a 项目编号.")
    ]


def test_no_derived_id_holds_a_name_or_a_telephone_number() -> None:
    for entry in said(TABLE.encode()):
        if isinstance(entry, registry.Person):
            assert entry.name not in entry.person_id
            assert entry.phone not in entry.person_id


def test_the_same_line_twice_is_once_and_another_content_is_refused() -> None:
    text = "房号,姓名,手机\n1-1,王芳,13800138000\n1-1,王芳,13800138000\n1-1,王芳,13800138001\n1-1,李强,\n"
    result = found(text.encode())
    assert refusals(result) == [
        (4, "", "The line says other things than line 2 of the same person.")
    ]
    assert len(result.entries) == 3
    assert len(result.places) == 4


def test_lines_of_one_person_that_only_add_or_leave_out_cells_agree() -> None:
    text = (
        "房号,地址,重点户,姓名,手机,入住日期\n1-1,,,王芳,,\n1-1,湖滨路1号,是,王芳,,2020-05-01\n"
        "1-1,,,王芳,13800138000,\n1-1,,否,王芳,,\n1-1,,,王芳,,2020-05-02\n"
    )
    result = found(text.encode())
    assert refusals(result) == [
        (5, "", "The line says other things than line 3 of the same household."),
        (6, "", "The line says other things than line 3 of the same person."),
    ]
    household, person = [entry.says for entry in result.entries.values()]
    assert household == registry.Household(
        household_id="lakeside-1-1", project_id="lakeside", address="湖滨路1号", key=True
    )
    assert isinstance(person, registry.Person)
    assert (person.phone, person.moved_in) == ("13800138000", date(2020, 5, 1))


def test_what_is_not_understood_is_named() -> None:
    text = "序号,房号,姓名,手机,电话\n1,1-1,王芳,13800138000,02088888888\n"
    assert list(found(text.encode()).ignored) == [("", "序号"), ("", "电话")]


def test_a_role_s_end_names_its_successor() -> None:
    text = "项目,岗位,工号,离任,接任人\n湖畔花园,客服部主管,E1,是,E2\n湖畔花园,诗人,E3,,\n"
    result = found(text.encode(), "roles")
    [entry] = result.entries.values()
    assert entry.says == registry.Holder(
        project_id="lakeside",
        role=Role.CS_SUPERVISOR,
        person_id="E1",
        ended=True,
        successor="E2",
    )
    [(line, column, error)] = refusals(result)
    assert (line, column) == (3, "岗位")
    assert error.startswith("The column “岗位” names no role; there are 客服专员")


def test_a_sheet_without_names_of_columns_is_refused() -> None:
    [(line, _, error)] = refusals(found("王芳,13800138000\n".encode()))
    assert line == 1
    assert error.startswith("No line names the columns")


def bomb() -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<a/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(100_000_000))
    return kept.getvalue()


def entities() -> bytes:
    """Make a workbook whose XML grows without end when it is read."""
    kept = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(["房号"]))) as plain,
        zipfile.ZipFile(kept, "w") as archive,
    ):
        for name in plain.namelist():
            content = plain.read(name)
            if name == "xl/workbook.xml":
                start = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l "l">]>'
                content = start + content
            archive.writestr(name, content)
    return kept.getvalue()


def packed(how: int) -> bytes:
    """Make a workbook whose parts are packed one way, and damaged on their way."""
    kept = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(["房号"] * 50))) as plain,
        zipfile.ZipFile(kept, "w", how) as archive,
    ):
        for name in plain.namelist():
            archive.writestr(name, plain.read(name))
        at = archive.getinfo("xl/worksheets/sheet1.xml").header_offset + 80
    content = bytearray(kept.getvalue())
    content[at : at + 60] = b"\xff" * 60
    return bytes(content)


def uncalculated() -> bytes:
    return workbook(["房号", "姓名"], ["1-1", "=A2"])


def far_down(*places: int) -> bytes:
    """Make a workbook whose sheets each have a second row that says it is another one."""
    names = [f"住户{number}" for number in range(1, len(places))]
    rows = [["房号", "姓名"], ["1-1", "王芳"]]
    more: dict[str, Any] = dict.fromkeys(names, rows)
    whole = workbook(*rows, **more)
    kept = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(whole)) as plain,
        zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in plain.namelist():
            content = plain.read(name)
            if name.startswith("xl/worksheets/sheet"):
                place = places[int(name.removeprefix("xl/worksheets/sheet")[:-4]) - 1]
                content = re.sub(rb'(<row|<c) r="([A-Z]?)2"', rb'\1 r="\g<2>%d"' % place, content)
            archive.writestr(name, content)
    return kept.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bomb(), "more than 30 MB when it is unpacked"),
        (entities(), "no XLSX workbook, or it is damaged"),
        (uncalculated(), "formulas that were never calculated"),
        (b"PK\x03\x04 and nothing", "no XLSX workbook, or it is damaged"),
        (workbook(["房号"])[:-200], "no XLSX workbook, or it is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old .xls or has a password"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "neither XLSX nor a text"),
        (b"%PDF-1.7\n\xff\xfe\xff", "neither XLSX nor a text"),
        (b"a,b\n" * (MOST_LINES + 1), f"more than {MOST_LINES} lines"),
        (b'"a\n' * (MOST_LINES + 1), f"more than {MOST_LINES} lines"),
        (b"\n" * 1_048_577, "more than 1048576 lines"),
        (far_down(2, *(1_048_576,) * 2), "more than 1048576 lines"),
        (b"a" * 200_000, "no CSV: field larger than field limit"),
        *((packed(how), "no XLSX workbook, or it is damaged") for how in (8, 12, 14)),
    ],
    ids=count(),
)
def test_what_is_no_table_is_refused_in_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(NoTable, match=sentence):
        sheets_of(content)


def test_a_row_far_down_is_read_and_one_that_no_spreadsheet_has_is_not() -> None:
    assert [line for line, _ in sheets_of(far_down(1_048_570))[0].rows] == [1, 1_048_570]
    assert [line for line, _ in sheets_of(far_down(10**12))[0].rows] == [1]


@pytest.mark.parametrize("padding", [0, 300, 70_000, 140_000])
def test_a_formula_is_found_wherever_it_stands(padding: int) -> None:
    with pytest.raises(NoTable, match="never calculated"):
        sheets_of(workbook(["房号", "x" * padding], ["1-1", "=A2"]))


@pytest.mark.parametrize("odd", [b"<f", b"</f>" + b" " * 500, b"<f<f/", b"</f><v/> "])
def test_what_only_begins_as_a_formula_is_looked_at_once(odd: bytes) -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", odd * (20_000_000 // len(odd)))
    with pytest.raises(NoTable, match="no XLSX workbook"):
        sheets_of(kept.getvalue())


def test_what_stands_right_of_the_last_column_is_not_looked_at() -> None:
    wide = "房号,姓名," + ",".join(f"第{at}" for at in range(10_000))
    assert len(found(f"{wide}\n1-1,王芳\n".encode()).ignored) == WIDEST - 2


def test_a_long_cell_is_refused_where_it_is_read_alone() -> None:
    long = "a@" + "." * LONGEST
    text = f"房号,姓名,邮箱,备注\n1-1,王芳,{long},{long}\n"
    [(line, column, error)] = refusals(found(text.encode()))
    assert (line, column) == (2, "邮箱")
    assert error == "The column “邮箱” holds more than 2000 characters."


@pytest.mark.parametrize("domain", ["x", "x.", ".x", "x..cn", "x.cn.", "." * (LONGEST - 2)])
def test_an_email_address_has_a_domain_in_parts(domain: str) -> None:
    [(_, _, error)] = refusals(found(f"房号,姓名,邮箱\n1-1,王芳,a@{domain}\n".encode()))
    assert error.startswith("The column “邮箱” holds no email address")


def test_a_name_of_brackets_alone_is_no_kind() -> None:
    assert kind_named("(" * 1_000_000) is kind_named("[" * 1_000_000) is None
    assert kind_named("住户 (2026) [新]") == "households"


def test_every_kind_has_names_of_its_own() -> None:
    names = [name for kind in KINDS.values() for name in kind.names.split()]
    assert len(names) == len(set(names))
    for key in KINDS:
        assert kind_named(key) == key
