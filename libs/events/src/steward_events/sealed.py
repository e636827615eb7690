"""Personal data as it stands in facts: never in clear."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints


class Sealed(BaseModel):
    """One sealed value: AES-256-GCM under the key of `subject`; only edges unseal it.

    `box` is nonce and ciphertext in base64; the associated data is subject|field|value_id.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: Annotated[str, StringConstraints(max_length=120)]
    field: Annotated[str, StringConstraints(max_length=60)]
    value_id: Annotated[str, StringConstraints(max_length=60)]
    box: str


class SubjectKey(BaseModel):
    """A subject's key as `steward.keys` carries it, wrapped by the installation's key (base64).

    The record's Kafka key is the subject; a record without a value says that it was erased.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str
    wrapped: str
    created_at: AwareDatetime
