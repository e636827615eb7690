"""Fills the templates of `templates.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Literal, get_args

import yaml
from babel.dates import format_date

Language = Literal["zh", "en"]

_COMMA = {"zh": "、", "en": ", "}
_AND_MORE = {"zh": "等", "en": "…"}

_INSTANTS = ("appointment", "new_date", "asked_for", "due_date")
"""Values that are instants, as ISO writes them."""

_WHOLE = ("reason",)
"""Values that are not cut to fit: half a reason is none."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads; an SMS has the body alone."""

    subject: str
    body: str


class ValueMissing(LookupError):
    """A template, a language or a value does not exist; the message is one sentence."""


def render(template: str, language: Language, values: Mapping[str, str]) -> Text:
    """Fill one template; values that it does not name are left out.

    A severity or a role may be passed by its code. Raises `ValueMissing`, naming the template.
    """
    text = _text(template, language)
    filled = _filled(template, language, text.subject + text.body, values)
    return Text(
        subject=Template(text.subject).substitute(filled),
        body=Template(text.body).substitute(filled),
    )


def values_for(template: str, language: Language, values: Mapping[str, str]) -> dict[str, str]:
    """Give the values that the body needs, in words: what the SMS provider is sent, and no more."""
    return _filled(template, language, body(template, language), values)


def body(template: str, language: Language) -> str:
    """Give the body with its `${name}` marks, as it is handed to the SMS provider for approval."""
    return _text(template, language).body


def templates() -> tuple[str, ...]:
    """Name all templates."""
    return tuple(name for name in _content() if name not in ("words", "also_by_sms"))


def also_by_sms(text: Text, language: Language) -> Text:
    """Say in a mail that the same may have come as an SMS."""
    sentence: str = _content()["also_by_sms"][language]
    return Text(text.subject, f"{text.body}\n{sentence}")


def deadline(at: datetime) -> str:
    """Write a due time in the zone it carries; midnight is the 24:00 of the day that ends."""
    if at.time() == time(0):
        return f"{at - timedelta(days=1):%Y-%m-%d} 24:00"
    return f"{at:%Y-%m-%d %H:%M}"


def in_short(numbers: Sequence[str], language: Language, longest: int) -> str:
    """List case numbers in so many characters, each part that the one before has only once.

    What does not fit is left out, and the last character says so.
    """
    said, before = "", ""
    for number in numbers:
        start, _, rest = number.rpartition("-")
        part = rest if said and start == before else number
        more = f"{said}{_COMMA[language]}{part}" if said else part
        # The last may take the place of that character.
        if len(more) > longest - (number != numbers[-1]):
            return f"{said}{_AND_MORE[language]}"
        said, before = more, start
    return said


def too_long(values: Mapping[str, object], longest: int) -> str | None:
    """Name a value that has more characters and is not cut to fit."""
    return next((name for name in _WHOLE if len(str(values.get(name, ""))) > longest), None)


def _written(name: str, value: str, language: Language) -> str:
    """Write a value as the language does: an instant in its own zone, a code in words."""
    if name in _INSTANTS:
        return _instant(datetime.fromisoformat(value), language)
    return str(_content()["words"].get(name, {}).get(value, {}).get(language, value))


def _instant(at: datetime, language: Language) -> str:
    ends_a_day = at.time() == time(0)
    day = at.date() - timedelta(days=ends_a_day)
    return f"{format_date(day, locale=language)} {'24:00' if ends_a_day else f'{at:%H:%M}'}"


def _filled(
    template: str, language: Language, text: str, values: Mapping[str, str]
) -> dict[str, str]:
    names = Template(text).get_identifiers()
    missing = [name for name in names if not values.get(name)]
    if missing:
        raise ValueMissing(f"The template {template} ({language}) needs {', '.join(missing)}.")
    return {name: _written(name, values[name], language) for name in names}


def _text(template: str, language: Language) -> Text:
    if template not in templates():
        raise ValueMissing(f"There is no template {template}; there are {', '.join(templates())}.")
    if language not in get_args(Language):
        raise ValueMissing(f"The template {template} is not written in {language}.")
    return Text(**_content()[template][language])


@cache
def _content() -> dict[str, Any]:
    source = files("steward_notify.texts").joinpath("templates.yaml")
    content: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return content
