"""Personal data as it stands in facts: never in clear."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Sealed(BaseModel):
    """One sealed value: AES-256-GCM under the key of `subject`; only edges unseal it.

    `box` is nonce and ciphertext in base64; the associated data is subject|field|value_id.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: Annotated[str, StringConstraints(max_length=120)]
    field: Annotated[str, StringConstraints(max_length=60)]
    value_id: Annotated[str, StringConstraints(max_length=60)]
    box: str
