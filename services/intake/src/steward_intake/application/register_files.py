"""Registers as a service centre keeps them: tables in, lines of the registry or complaints out.

sheet --> its kind, by its name --> its columns, by theirs --> each line's entries or a complaint

A line without an ID gets one from what tells it apart, always the same, so that the file of next
month changes what stands and doubles nothing. An ID is no secret: of names and telephone numbers it
holds only a keyed digest. An empty cell says nothing; what stands stays.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from openpyxl.utils.datetime import from_excel
from pydantic import ValidationError

from steward_events.vocabulary import Language, Role
from steward_intake.application import registration as registry
from steward_intake.application.registration import Registration
from steward_intake.application.spreadsheets import Cell, Row, Sheet, is_empty
from steward_policy.ladder import TITLES
from steward_service.problems import sentence

LONGEST = 2_000
"""So many characters may a cell have that is read."""
_LONGEST_NAME = 100  # of a column or a file
FIRST_DAY = date(1930, 1, 1)
"""On which anybody who still lives somewhere may have moved in; a slip of the year lies before."""

Reader = Callable[[Cell, Sheet], Any]
Values = dict[str, Any]


class Complaint(Exception):
    """Why a line was refused: a sentence, and the column where it is one column's fault."""

    def __init__(self, error: str, column: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.column = column


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a sheet."""

    sheet: str
    line: int


@dataclass(slots=True)
class Entry:
    """One entry of the registry, the lines that say it, and the first that says each field."""

    says: Registration
    places: list[Place] = field(default_factory=list)
    said_by: dict[str, Place] = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """What was read of a file."""

    places: list[Place] = field(default_factory=list)
    entries: dict[tuple[str, ...], Entry] = field(default_factory=dict)
    refused: dict[Place, Complaint] = field(default_factory=dict)
    unread: dict[tuple[str, ...], Place] = field(default_factory=dict)
    """Of which entries no line could be read whole, and where one stands."""
    ignored: dict[tuple[str, str | None], None] = field(default_factory=dict)
    """Columns that were not understood, each after its sheet; whole sheets have none."""

    def bad_line_of(self, says: Registration, missing: str) -> Place | None:
        """Give the bad line of what an entry names, where `missing` says that it is not there."""
        for kind, its in _NAMED.values():
            id_ = getattr(says, its, None)
            key = kind, str(id_)
            if key == _identity(says) or f"“{id_}”" not in missing:
                continue
            place = self.entries[key].places[0] if key in self.entries else self.unread.get(key)
            if place in self.refused:
                return place
        return None


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may leave out or say in other words.

    `digest` makes an ID of what is personal; `projects` and `groups` are the registered IDs by ID and
    name, None for a name that two have.
    """

    digest: Callable[[str], str]
    projects: Mapping[str, str | None] = field(default_factory=dict)
    groups: Mapping[str, str | None] = field(default_factory=dict)
    group_id: str | None = None
    project_id: str | None = None
    last_day: date = date.max
    """The last on which somebody may be said to move in."""


# What a cell may say.

_ERRORS = re.compile(r"#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|#+)")
_YES = {"是", "y", "yes", "true", "1", "√", "✓", "对", "有", "重点"}
_NO = {"否", "n", "no", "false", "0", "×", "x", "无", "不是"}
_LANGUAGES = {
    "中文": "zh",
    "汉语": "zh",
    "chinese": "zh",
    "英文": "en",
    "英语": "en",
    "english": "en",
}
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?( 00:00(:00)?)?|(\d{4})(\d\d)(\d\d)")
_ROLES = {
    **{word: role for role, titles in TITLES.items() for word in (*titles, role)},
    **dict.fromkeys(("客服专员", "管家", "客服", "前台"), Role.FRONTLINE),
    **dict.fromkeys(("客服主管", "客服部主管", "客服部经理"), Role.CS_SUPERVISOR),
    **dict.fromkeys(("部门主管", "部门经理", "被投诉部门负责人"), Role.DEPARTMENT_HEAD),
    **dict.fromkeys(("工程主管", "工程部经理"), Role.ENGINEERING_SUPERVISOR),
    **dict.fromkeys(
        ("经理", "主管经理", "项目经理", "管理处主任", "服务中心经理", "物业经理"),
        Role.CENTRE_MANAGER,
    ),
    **dict.fromkeys(("公司主管", "分管领导", "总主任"), Role.COMPANY_LEADER),
    **dict.fromkeys(("总经理",), Role.GENERAL_MANAGER),
    **dict.fromkeys(("品质", "品质主管"), Role.QUALITY),
}


def _plain(cell: Cell) -> str:
    """Give a cell as a word: full-width letters are made narrow, whole numbers lose their point."""
    match cell:
        case None:
            return ""
        case bool():
            return str(cell).lower()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return " ".join(unicodedata.normalize("NFKC", str(cell)).split())


def _shape(text: str) -> str:
    """Show what a text is made of, and not what it says: it may be personal."""
    shape = "".join("9" if c.isdigit() else "a" if c.isalpha() else c for c in text[:30])
    return f"“{shape}”"


def _text(cell: Cell, _: Sheet) -> str:
    # A name keeps its own characters; only spaces are made alike.
    return " ".join(cell.split()) if isinstance(cell, str) else _plain(cell)


def _id(cell: Cell, _: Sheet) -> str:
    if isinstance(cell, datetime | date | time | timedelta):
        raise Complaint("holds a date: make the column text, and type it again")
    word = re.sub(r"\.0$", "", _plain(cell)) if re.fullmatch(r"\d+\.0", str(cell)) else _plain(cell)
    return re.sub(r"[\s/|]+", "-", word)


def _phone(cell: Cell, _: Sheet) -> str:
    said = _plain(cell)
    text = re.sub(r"[\s()\-‐-―.]|^tel:", "", said)
    if number := re.fullmatch(r"(\d)\.(\d+)[eE]\+?(\d+)", said):
        if len(number[2]) < 6:
            raise Complaint("holds a telephone number of which the spreadsheet kept only a part")
        text = f"{float(said):.0f}"
    elif re.fullmatch(r"\d+\.0+", said):
        text = said.partition(".")[0]
    text = re.sub(r"^(\+|00)?86(?=1\d{10}$)", "", text)
    if not re.fullmatch(r"\+?\d{5,15}", text):
        raise Complaint(f"holds no telephone number, but {_shape(said)}")
    return text


def _email(cell: Cell, _: Sheet) -> str:
    text = _plain(cell)
    if not re.fullmatch(r"[^@\s,;]+@[^@\s,;.]+(\.[^@\s,;.]+)+", text):
        raise Complaint(f"holds no email address, but {_shape(text)}")
    return text


def _yes(cell: Cell, _: Sheet) -> bool:
    word = _plain(cell).lower()
    if word not in _YES | _NO:
        raise Complaint(f"must say 是 or 否 (yes or no), not {_shape(word)}")
    return word in _YES


def _day(cell: Cell, sheet: Sheet) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    word = _plain(cell)
    if found := _DAY.fullmatch(word):
        year, month, day = (
            int(part) for part in (found.group(1, 2, 3) if found[1] else found.group(6, 7, 8))
        )
        try:
            return date(year, month, day)
        except ValueError:
            raise Complaint("names a day that no calendar has") from None
    if re.fullmatch(r"\d{4,5}(\.\d+)?", word):  # days since the sheet's epoch
        counted = from_excel(float(word), sheet.epoch)
        if isinstance(counted, datetime):
            return counted.date()
    raise Complaint(f"holds no date as 2026-10-01, but {_shape(word)}")


def _role(cell: Cell, _: Sheet) -> Role:
    word = _plain(cell)
    if word.lower() not in _ROLES:
        raise Complaint(f"names no role; there are {', '.join(zh for zh, _ in TITLES.values())}")
    return Role(_ROLES[word.lower()])


def _language(cell: Cell, _: Sheet) -> Language:
    word = _plain(cell).lower()
    if (code := _LANGUAGES.get(word, word)) not in set(Language):
        raise Complaint("must be 中文 or English")
    return Language(code)


def _words(cell: Cell, _: Sheet) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[、,;\s]+", _plain(cell)) if word)


# The columns, and what each kind of sheet has.


@dataclass(frozen=True, slots=True)
class Column:
    """A column by the names that people give it."""

    field: str
    names: str
    read: Reader


_GROUP = Column("group", "集团编号 集团 公司编号 公司 group_id group", _text)
_PROJECT = Column(
    "project", "项目编号 项目 项目名称 小区 小区名称 小区编号 楼盘 project_id project", _text
)
_NAME = Column("name", "姓名 业主姓名 住户姓名 业主 联系人 员工姓名 name", _text)
_PHONE = Column(
    "phone", "手机 手机号 手机号码 电话 联系电话 电话号码 联系方式 phone mobile telephone", _phone
)
_EMAIL = Column("email", "邮箱 电子邮箱 电子邮件 邮件 email e-mail", _email)
_LANGUAGE = Column("language", "语言 language", _language)
_REACHED = (_NAME, _PHONE, _EMAIL, _LANGUAGE)
_STAFF_ID = "工号 员工编号 员工号 staff_id staff person_id"
_ROLE = Column("role", "岗位 角色 职务 职位 role position", _role)
_BUILDING = "楼栋 楼号 栋 幢 座 栋号 楼幢 building"
_ROOM = (
    Column("household_id", "住户编号 房屋编号 房产编号 户号 household_id household", _id),
    Column("building", _BUILDING, _id),
    Column("unit", "单元 单元号 unit", _id),
    Column("room", "房号 房间号 室号 门牌号 门牌 房屋 房间 房屋号 room room_number", _id),
)
_MOVED_IN = Column("moved_in", "入住日期 入住时间 迁入日期 moved_in", _day)
_RESIDENT = (
    Column("person_id", "人员编号 业主编号 住户人员编号 person_id", _id),
    *_REACHED,
    _MOVED_IN,
    Column("moved_out", "迁出日期 搬离日期 搬出日期 退房日期 moved_out", _day),
)

_Made = Iterator[tuple[type[Registration], Values]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sheet: the names that people give it, its columns, and what a line of it means."""

    names: str
    columns: Sequence[Column]
    means: Callable[[Values, "_File"], _Made]


def _group_means(said: Values, file: "_File") -> _Made:
    name = _demand(said, "name", "集团名称")
    group_id = said.get("group_id") or file.groups.get(name) or _slug(name)
    _name(file.groups, name, group_id)
    yield registry.Group, {"group_id": group_id, "name": name}


def _project_means(said: Values, file: "_File") -> _Made:
    name = _demand(said, "name", "项目名称")
    project_id = said.get("project_id") or file.projects.get(name) or _slug(name)
    _name(file.projects, name, project_id)
    values = {"project_id": project_id, "group_id": file.group_of(said), "name": name}
    yield registry.Project, values | _given(said, "zone", "policy")


def _department_means(said: Values, file: "_File") -> _Made:
    name = _demand(said, "name", "部门")
    of_project = said.get("project") or (file.known.project_id and not said.get("group"))
    where = (
        {"project_id": file.project_of(said)} if of_project else {"group_id": file.group_of(said)}
    )
    [place] = where.values()
    values = {"department_id": said.get("department_id") or f"{place}-{_slug(name)}", "name": name}
    if "head" in said:
        values["head"] = file.staff_of(said, "head")
    yield registry.Department, values | where | _given(said, "calendar")


def _household_means(said: Values, file: "_File") -> _Made:
    project_id = file.project_of(said)
    room = _room(said)
    household_id = said.get("household_id") or (room and f"{project_id}-{room}")
    if not household_id:
        raise Complaint("The line names no household: give its 房号 (room) or 住户编号.")
    values = {"household_id": household_id, "project_id": project_id}
    if room:
        file.rooms[household_id] = room
    yield registry.Household, values | _given(said, "address", "key")
    if any(said.get(name) for name in ("person_id", "name", "phone")):
        yield from _person_means({**said, "household_id": household_id}, file)


def _person_means(said: Values, file: "_File") -> _Made:
    household_id = said.get("household_id")
    if not household_id:
        if not (room := _room(said)):
            raise Complaint("The line names no household: give its 房号 (room) or 住户编号.")
        household_id = f"{file.project_of(said)}-{room}"
    person_id = said.get("person_id")
    if not person_id:
        apart = said.get("name") or said.get("phone")
        if not apart:
            raise Complaint("The line names nobody: give a 姓名 (name) or 手机 (phone).")
        person_id = f"{household_id}-{file.known.digest(f'{household_id}|{_slug(apart)}')[:10]}"
    values = {"person_id": person_id, "household_id": household_id}
    reached = _given(said, "name", "phone", "email", "language", "moved_in", "moved_out")
    yield registry.Person, values | reached


def _staff_means(said: Values, file: "_File") -> _Made:
    person_id = said.get("person_id") or file.staff_of(said, "phone")
    values = {"person_id": person_id, "group_id": file.group_of(said)}
    yield registry.Staff, values | _given(said, "name", "phone", "email", "language")
    if "role" in said:
        role = {"project_id": file.project_of(said), "role": said["role"], "person_id": person_id}
        yield registry.Holder, role


def _role_means(said: Values, file: "_File") -> _Made:
    values = {
        "project_id": file.project_of(said),
        "role": _demand(said, "role", "岗位"),
        "person_id": file.staff_of(said, "person_id", "phone", "name"),
        "ended": said.get("ended", False) or "successor" in said,
    }
    if "successor" in said:
        values["successor"] = file.staff_of(said, "successor")
    yield registry.Holder, values


def _zone_means(said: Values, file: "_File") -> _Made:
    project_id = file.project_of(said)
    person_id = file.staff_of(said, "person_id", "phone", "name")
    zone_id = said.get("zone_id") or f"{project_id}-{_slug(said.get('zone') or person_id)}"
    values = {"zone_id": zone_id, "project_id": project_id, "person_id": person_id}
    if "zone" in said:
        values["name"] = said["zone"]
    if said.get("household_id") or said.get("room"):
        alone = {**said, "building": "".join(said.get("buildings", ()))}
        values["households"] = (said.get("household_id") or f"{project_id}-{_room(alone)}",)
    elif "buildings" in said:
        values["buildings"] = said["buildings"]
    yield registry.Zone, values


KINDS: Mapping[str, Kind] = {
    "groups": Kind(
        "集团 公司 group groups",
        (
            Column("group_id", _GROUP.names, _id),
            Column("name", "集团名称 公司名称 名称 name", _text),
        ),
        _group_means,
    ),
    "projects": Kind(
        "项目 小区 项目表 project projects",
        (
            Column("project_id", "项目编号 小区编号 编号 project_id id", _id),
            Column("name", "项目名称 项目 小区名称 小区 名称 name project", _text),
            _GROUP,
            Column("zone", "时区 zone timezone", _text),
            Column("policy", "规则包 policy", _text),
        ),
        _project_means,
    ),
    "staff": Kind(
        "员工 职员 员工表 人员 staff employees",
        (Column("person_id", _STAFF_ID, _id), _GROUP, *_REACHED, _PROJECT, _ROLE),
        _staff_means,
    ),
    "departments": Kind(
        "部门 部门表 department departments",
        (
            Column("department_id", "部门编号 department_id id", _id),
            Column("name", "部门 部门名称 名称 name department", _text),
            _PROJECT,
            _GROUP,
            Column("calendar", "日历 calendar", _text),
            Column("head", "负责人 部门负责人 主管 head", _text),
        ),
        _department_means,
    ),
    "households": Kind(
        "住户 房屋 房产 户 住户表 household households",
        (
            _PROJECT,
            *_ROOM,
            Column("address", "地址 address", _text),
            Column("key", "重点 重点户 重点住户 vip key", _yes),
            *_RESIDENT,
        ),
        _household_means,
    ),
    "people": Kind(
        "业主 居民 住户成员 联系人 业主表 person people residents",
        (_PROJECT, *_ROOM, *_RESIDENT),
        _person_means,
    ),
    "roles": Kind(
        "角色 岗位 任职 role roles",
        (
            _PROJECT,
            _ROLE,
            Column("person_id", _STAFF_ID, _id),
            _NAME,
            _PHONE,
            Column("ended", "离任 已离任 离职 结束 ended", _yes),
            Column("successor", "接任人 接替人 接任 successor", _text),
        ),
        _role_means,
    ),
    "zones": Kind(
        "片区 责任区 管家片区 zone zones",
        (
            Column("zone_id", "片区编号 zone_id", _id),
            Column("zone", "片区 片区名称 责任区 zone zone_name", _text),
            _PROJECT,
            Column("person_id", f"{_STAFF_ID} 管家 管家工号 steward", _text),
            Column("name", "管家姓名 姓名 name", _text),
            _PHONE,
            Column("buildings", f"{_BUILDING} buildings", _words),
            *(column for column in _ROOM if column.field != "building"),
        ),
        _zone_means,
    ),
}
"""In the order in which one sheet may name what another says."""

_NAMED: Mapping[type[Registration], tuple[str, str]] = {
    registry.Group: ("group", "group_id"),
    registry.Project: ("project", "project_id"),
    registry.Household: ("household", "household_id"),
    registry.Staff: ("staff", "person_id"),
}
"""What other lines name, and the field in which they do."""

_BY_NAME: Mapping[str, str]


def kind_named(name: str) -> str | None:
    """Give the kind that a sheet's or a file's name says."""
    return _BY_NAME.get(_key(name))


def read(sheets: Sequence[Sheet], kind: str | None, known: Known) -> Found:
    """Read every sheet whose name says its kind, or that is of the kind that is named."""
    found = Found()
    file = _File(known, found, dict(known.projects), dict(known.groups))
    of_kind: list[tuple[str, Sheet]] = []
    for sheet in sheets:
        its = kind_named(sheet.name) or kind
        if its is None:
            found.ignored[sheet.name, None] = None
        elif sheet.rows or sheet.unclosed:
            of_kind.append((its, sheet))
    for name, its_kind in KINDS.items():
        for its, sheet in of_kind:
            if its == name:
                file.take(sheet, its_kind)
    file.name_by_room()
    return found


@dataclass(slots=True)
class _File:
    """A file while it is read: what its sheets have said so far."""

    known: Known
    found: Found
    projects: dict[str, str | None]
    groups: dict[str, str | None]
    staff: dict[str, str | None] = field(default_factory=dict)
    """IDs by telephone number and by name; None where two have the same."""
    rooms: dict[str, str] = field(default_factory=dict)
    """By household."""

    def project_of(self, said: Values) -> str:
        """Give the ID of the project that a line names by ID or name, or of the only one."""
        if word := said.get("project"):
            return _named(self.projects, word, "Two projects have this name: give a 项目编号.")
        project_id = self.known.project_id or _only(self.projects.values())
        if project_id is None:
            raise Complaint("The line names no project: give its 项目 (project).")
        return project_id

    def group_of(self, said: Values) -> str:
        """Give the ID of the group that a line names by ID or name, or of the only one."""
        if word := said.get("group"):
            return _named(self.groups, word, "Two groups have this name: give a 集团编号.")
        group_id = self.known.group_id or _only(self.groups.values())
        if group_id is None:
            raise Complaint("The line names no group: give its 集团 (group).")
        return group_id

    def staff_of(self, said: Values, *fields: str) -> str:
        """Give the ID of the member of staff that a line names by number, telephone or name."""
        word = next((str(said[name]) for name in fields if said.get(name)), "")
        if not word:
            raise Complaint("The line names no member of staff: give a 工号 or 手机 (phone).")
        if self.staff.get(word):
            return str(self.staff[word])
        if word in self.staff:
            raise Complaint("Two members of staff have this name: give a 工号 (staff number).")
        if re.fullmatch(r"\+?\d{11,15}", word):
            return f"staff-{self.known.digest(word)[:12]}"
        return _id(word, _NOWHERE)

    def take(self, sheet: Sheet, kind: Kind) -> None:
        """Take every line of a sheet."""
        for line in sheet.unclosed:
            place = Place(sheet.name, line)
            self.found.places.append(place)
            self.found.refused[place] = Complaint(
                "The line has a quotation mark that is never closed."
            )
        if not sheet.rows:
            return
        columns, header, rows = _headed(sheet, kind)
        for at, name in header.items():
            if at not in columns:
                self.found.ignored[sheet.name, name] = None
        if not columns:
            place = Place(sheet.name, rows[0][0])
            self.found.places.append(place)
            named = ", ".join(column.names.split()[0] for column in kind.columns)
            self.found.refused[place] = Complaint(f"No line names the columns, such as {named}.")
            return
        for line, cells in rows:
            place = Place(sheet.name, line)
            self.found.places.append(place)
            try:
                self._line(place, kind, cells, columns, header, sheet)
            except Complaint as complaint:
                self.found.refused[place] = complaint

    def _line(
        self,
        place: Place,
        kind: Kind,
        cells: Sequence[Cell],
        columns: Mapping[int, Column],
        header: Mapping[int, str],
        sheet: Sheet,
    ) -> None:
        said: Values = {}
        complaints: list[Complaint] = []
        for at, column in columns.items():
            cell = cells[at] if at < len(cells) else None
            if is_empty(cell):
                continue
            try:
                value = self._value(cell, column, header[at], sheet)
            except Complaint as complaint:
                complaints.append(complaint)
                continue
            if said.setdefault(column.field, value) != value and column is not _PROJECT:
                self.found.ignored[sheet.name, header[at]] = None
        if complaints:
            with suppress(Complaint):
                for model, values in kind.means(said, self):
                    if model in _NAMED:
                        type_, its = _NAMED[model]
                        self.found.unread.setdefault((type_, str(values[its])), place)
            raise complaints[0]
        headers = {column.field: header[at] for at, column in columns.items()}
        made = [_checked(model, values, headers) for model, values in kind.means(said, self)]
        together = [self._with_earlier(entry, headers) for entry in made]
        for entry, whole in zip(made, together, strict=True):
            self._add(place, entry, whole)

    def _value(self, cell: Cell, column: Column, header: str, sheet: Sheet) -> Any:
        value = _value(cell, column, header, sheet)
        if column is _MOVED_IN and not FIRST_DAY <= value <= self.known.last_day:
            raise Complaint(
                f"The column “{header}” holds a day before {FIRST_DAY.year} or more than a year "
                "ahead.",
                header,
            )
        return value

    def name_by_room(self) -> None:
        """Give each household its room as its address, where no line says another."""
        for household_id, room in self.rooms.items():
            entry = self.found.entries.get(("household", household_id))
            if entry is not None and "address" not in entry.says.model_fields_set:
                values = entry.says.model_dump(exclude_unset=True)
                entry.says = type(entry.says).model_validate({**values, "address": room})

    def _with_earlier(self, says: Registration, headers: Mapping[str, str]) -> Registration:
        """Give an entry with what earlier lines say of it; refuses one that contradicts them."""
        before = self.found.entries.get(_identity(says))
        if before is None:
            return says
        if isinstance(says, registry.Zone) and isinstance(before.says, registry.Zone):
            return _joined(before.says, says)
        earlier, later = (each.model_dump(exclude_unset=True) for each in (before.says, says))
        for name, value in later.items():
            if earlier.get(name, value) != value:
                raise Complaint(
                    f"The line says other things than line {before.said_by[name].line} of the "
                    f"same {says.model_dump()['type']}."
                )
        return _checked(type(says), earlier | later, headers)

    def _add(self, place: Place, says: Registration, whole: Registration) -> None:
        entry = self.found.entries.setdefault(_identity(says), Entry(whole))
        entry.says = whole
        entry.places.append(place)
        for name in says.model_fields_set:
            entry.said_by.setdefault(name, place)
        if isinstance(says, registry.Staff):
            for word in filter(None, (says.phone, says.name)):
                another = self.staff.setdefault(word, says.person_id) != says.person_id
                self.staff[word] = None if another else says.person_id


def _value(cell: Cell, column: Column, header: str, sheet: Sheet) -> Any:
    if isinstance(cell, str) and len(cell) > LONGEST:
        raise Complaint(f"The column “{header}” holds more than {LONGEST} characters.", header)
    if isinstance(cell, str) and _ERRORS.match(cell):
        raise Complaint(f"The column “{header}” holds a formula's error ({cell[:12]}).", header)
    try:
        return column.read(cell, sheet)
    except Complaint as complaint:
        raise Complaint(f"The column “{header}” {complaint.error}.", header) from None


def _checked(model: type[Registration], values: Values, headers: Mapping[str, str]) -> Registration:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # Never what stood there: it may be personal.
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = str(wrong["loc"][0]) if wrong["loc"] else ""
        header = headers.get(name, "")
        subject = f"The column “{header}”" if header else f"The line's {name}"
        raise Complaint(sentence(wrong, subject), header) from None


def _identity(says: Registration) -> tuple[str, ...]:
    values = says.model_dump()
    its = {"person": "person_id", "household": "household_id", "project": "project_id"}
    match says:
        case registry.Holder():
            return "role", says.project_id, str(says.role), says.person_id
        case registry.Staff():
            return "staff", says.person_id
        case _:
            return values["type"], str(values[its.get(values["type"], f"{values['type']}_id")])


def _joined(one: registry.Zone, other: registry.Zone) -> registry.Zone:
    """Give a zone of which several lines name a part each."""
    if (one.person_id, one.project_id) != (other.person_id, other.project_id):
        raise Complaint("The line gives the zone to another person than the lines before.")
    parts = {
        name: tuple(dict.fromkeys((*getattr(one, name), *getattr(other, name))))
        for name in ("buildings", "households")
        if name in one.model_fields_set | other.model_fields_set
    }
    return registry.Zone.model_validate(one.model_dump(exclude_unset=True) | parts)


def _headed(sheet: Sheet, kind: Kind) -> tuple[dict[int, Column], dict[int, str], Sequence[Row]]:
    """Find the line, or the two lines of merged cells, that name the columns; and what follows."""
    by_name = {_key(name): column for column in kind.columns for name in column.names.split()}

    def known(names: Mapping[int, str]) -> dict[int, Column]:
        return {at: by_name[_key(name)] for at, name in names.items() if _key(name) in by_name}

    for place, (_, cells) in enumerate(sheet.rows[:20]):
        names = _names(cells)
        if not _is_header(names, known(names)):
            continue
        after = sheet.rows[place + 1 : place + 2]
        below = _names(after[0][1]) if after else {}
        if below and set(known(below)) == set(below):
            both = names | below
            if len(known(both)) > len(known(names)):
                return known(both), both, sheet.rows[place + 2 :]
        return known(names), names, sheet.rows[place + 1 :]
    return {}, {}, sheet.rows


def _is_header(names: Mapping[int, str], known: Mapping[int, Column]) -> bool:
    return len(known) >= 2 or 0 < len(known) == len(names)


def _names(cells: Sequence[Cell]) -> dict[int, str]:
    named = {at: cell for at, cell in enumerate(cells) if isinstance(cell, str) and cell}
    return {at: name[:_LONGEST_NAME] for at, name in named.items()}


def _key(name: str) -> str:
    """Give a name as it is compared: without case, spaces, marks and what stands in brackets."""
    plain = unicodedata.normalize("NFKC", name[:_LONGEST_NAME]).casefold()
    return re.sub(r"\([^()]*\)|\[[^\[\]]*\]|[\s_*:\-]", "", plain)


_BY_NAME = {_key(name): key for key, kind in KINDS.items() for name in kind.names.split()}


def _room(said: Values) -> str:
    """Give a room as one word, however its building and unit are written: 3栋2单元101室 is 3-2-101."""
    parts = [str(said[name]) for name in ("building", "unit", "room") if said.get(name)]
    if not said.get("room"):
        return ""
    words = re.split(
        r"(?<=\w)(?:号?[栋幢座楼]|单元)|(?<=[0-9a-zA-Z])[室号户房]|[\-#_.,、]+", "-".join(parts)
    )
    return "-".join(word for word in words if word).casefold()


def _slug(name: str) -> str:
    return _id(_plain(name).casefold(), _NOWHERE)


def _name(ids: dict[str, str | None], name: str, id_: str) -> None:
    """Note an ID and its name; an ID is never taken for another's name."""
    if ids.get(name) != name:
        ids[name] = id_ if ids.get(name, id_) == id_ else None
    ids[id_] = id_


def _named(ids: Mapping[str, str | None], word: str, ambiguous: str) -> str:
    """Give the ID that a word is, or the name of."""
    if word in ids and ids[word] is None:
        raise Complaint(ambiguous)
    return ids.get(word) or _id(word, _NOWHERE)


def _only(ids: Iterable[str | None]) -> str | None:
    alone = set(ids) - {None}
    return alone.pop() if len(alone) == 1 else None


def _given(said: Values, *names: str) -> Values:
    return {name: said[name] for name in names if name in said}


def _demand(said: Values, name: str, column: str) -> Any:
    if not said.get(name):
        raise Complaint(f"The line has no {column} ({name}).")
    return said[name]


_NOWHERE = Sheet("", ())
