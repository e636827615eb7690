"""Keeps a foreign message that has to wait as a sealed one: it may name people."""

import base64
from collections.abc import Callable
from dataclasses import replace

from steward_decider import Refused
from steward_events.sealed import Sealed
from steward_eventstore.port import Parcel
from steward_intake.application.ports import Seals
from steward_service.hearing import Boxes

SUBJECT = "inbound-tickets"


def sealed_boxes(seals: Callable[[], Seals]) -> Boxes:
    """Seal the content with the installation's key for foreign messages."""

    async def close(parcel: Parcel) -> Parcel:
        text = base64.b64encode(parcel.value).decode()
        sealed = await seals().seal(SUBJECT, "parcel", text)
        return replace(parcel, value=sealed.model_dump_json().encode())

    async def unbox(parcel: Parcel) -> Parcel:
        text = await seals().unseal(Sealed.model_validate_json(parcel.value))
        if not isinstance(text, str):
            raise Refused("The parked message was erased.", code="erased")
        return replace(parcel, value=base64.b64decode(text))

    return Boxes(close, unbox)
