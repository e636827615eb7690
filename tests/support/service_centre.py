"""A service centre: who works and lives there, and its registers as a workbook."""

import io
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from openpyxl import Workbook

GROUP, PROJECT, OTHER = "jinghe", "lanting", "yunqi"
NAMES = {PROJECT: "兰亭苑", OTHER: "云栖苑"}
ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff: what they are, and how their texts name it."""

    name: str
    phone: str
    role: str
    title: str
    language: str = ""

    @property
    def email(self) -> str:
        return f"{self.phone}@jinghe.example.cn"


STAFF = {
    "lin": Member("林晓", "13712341011", "管家", "客服专员"),
    "zhou": Member("周敏", "13712341012", "客服部主管", "客服部主管"),
    "wu": Member("吴强", "13712341013", "部门负责人", "部门负责人"),
    "he": Member("何志", "13712341014", "工程部主管", "工程部主管"),
    "chen": Member("陈建国", "13712341015", "主管经理", "物业服务中心经理"),
    "tang": Member("Morgan Tang", "13712341016", "分管领导", "company leader", "English"),
    "gao": Member("高远", "13712341017", "总经理", "公司总经理"),
}
HOMES = {
    "1-101": ("王芳", "13810000101"),
    "1-102": ("李强", "13810000102"),
    "2-201": ("Anna Smith", "13810000201"),
    "2-202": ("赵敏", "13810000202"),
    "2-203": ("孙立", "13810000000"),  # texts to this number never arrive
    "3-301": ("陈晨", "13810000301"),
    "3-302": ("林燕", "13810000302"),
    "3-303": ("钟离昧", "13810000303"),
}
MAILED = "sunli@example.cn"
PASSER_BY = "13810000999"


def workbook() -> bytes:
    """Write the registers as the centre keeps them; three of the lines are bad."""
    sheets: dict[str, list[tuple[Any, ...]]] = {
        "集团": [("集团编号", "集团名称"), (GROUP, "景和物业")],
        "项目": [("项目编号", "项目名称", "集团", "时区")]
        + [(id_, name, GROUP, ZONE.key) for id_, name in NAMES.items()],
        "员工": [("工号", "姓名", "手机", "邮箱", "语言")]
        + [(id_, s.name, s.phone, s.email, s.language) for id_, s in STAFF.items()]
        + [("mei", "梅姐", "13712341018", "meijie#example.cn", "")],
        "部门": [
            ("部门编号", "部门", "项目", "负责人"),
            ("env", "环境部", "兰亭苑", "wu"),
            ("eng", "工程部", "兰亭苑", "何志"),
        ],
        "住户": [("兰亭苑住户登记表",), ("项目", "房号", "姓名", "手机（必填）", "邮箱", "语言")]
        + [
            ("兰亭苑", room, name, phone, MAILED if room == "2-203" else "", _language(name))
            for room, (name, phone) in HOMES.items()
        ]
        + [("兰亭苑", "3-304", "周全", "1381000030x", "", "")]
        + [("云栖苑", "1-101", "王芳", "13810000101", "", "")],
        "岗位": [("项目", "岗位", "工号")]
        + [("兰亭苑", s.role, id_) for id_, s in STAFF.items()]
        + [("兰亭苑", "保安队长", "lin"), ("云栖苑", "客服部主管", "zhou")],
        "片区": [("片区", "项目", "管家", "楼栋"), ("东区", "兰亭苑", "lin", "1、2、3")],
    }
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _language(name: str) -> str:
    return "英文" if name.isascii() else ""
