"""The files of cases in PostgreSQL."""

import asyncpg
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from steward_intake.adapters.read_models import ATTACHMENTS
from steward_intake.application.ports import Blob
from steward_service.queries import fetch


class PostgresBlobs:
    """`Blobs` over the service's own database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep(self, blob: Blob) -> None:
        """Keep a file; the first of the same stays."""
        added = insert(ATTACHMENTS).values(
            case_id=blob.case_id,
            sha256=blob.sha256,
            subject=blob.subject,
            media_type=blob.media_type,
            box=blob.box,
        )
        await fetch(self._pool, added.on_conflict_do_nothing())

    async def find(self, case_id: str, sha256: str) -> Blob | None:
        """Give a case's file."""
        columns = ATTACHMENTS.c
        query = select(ATTACHMENTS).where(columns.case_id == case_id, columns.sha256 == sha256)
        rows = await fetch(self._pool, query)
        return Blob(**rows[0]) if rows else None

    async def forget(self, subject: str) -> None:
        """Delete a subject's files."""
        await fetch(self._pool, delete(ATTACHMENTS).where(ATTACHMENTS.c.subject == subject))
