"""What people are told, in Chinese and English.

`templates.yaml` holds the texts; `${name}` marks a value, the form in which the SMS provider
approves templates too. A text contains what is passed and nothing else.
"""

from steward_notify.texts.templates import (
    Language,
    Text,
    ValueMissing,
    also_by_sms,
    body,
    deadline,
    in_short,
    render,
    templates,
    too_long,
    values_for,
)

__all__ = [
    "Language",
    "Text",
    "ValueMissing",
    "also_by_sms",
    "body",
    "deadline",
    "in_short",
    "render",
    "templates",
    "too_long",
    "values_for",
]
