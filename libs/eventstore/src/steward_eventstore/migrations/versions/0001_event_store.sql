-- Streams: what is needed to append, and nothing else. Row locks on this table order all writers.
CREATE TABLE streams (
    stream_id text COLLATE "C" PRIMARY KEY,
    key text NOT NULL,
    partition integer NOT NULL,
    version integer NOT NULL,
    last_xid xid8 NOT NULL,
    recorded_at timestamptz NOT NULL,
    history timestamptz,
    live boolean NOT NULL
) WITH (fillfactor = 70);

-- The log's epoch: raised by a restore, so that old transaction numbers are never compared with new ones.
CREATE TABLE log (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch integer NOT NULL
);
INSERT INTO log (epoch) VALUES (1);

-- Facts, appended once and relayed from here. (xid, pos) is the order of publishing.
CREATE TABLE events (
    log_epoch integer NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    pos bigint GENERATED ALWAYS AS IDENTITY,
    stream_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    partition integer NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    meta jsonb NOT NULL,
    PRIMARY KEY (stream_id, version)
);
CREATE INDEX events_log ON events (log_epoch, xid, pos);

-- The relay: how far it has come, and who may move it.
CREATE TABLE relay (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch integer NOT NULL,
    xid xid8 NOT NULL,
    pos bigint NOT NULL,
    relayed bigint NOT NULL DEFAULT 0,
    holder text,
    fence bigint NOT NULL,
    held_until timestamptz NOT NULL
);
INSERT INTO relay (epoch, xid, pos, fence, held_until) VALUES (1, '0', 0, 0, '-infinity');

-- Steward's own facts: every version of a stream in turn, once per consumer.
CREATE TABLE inbox (
    consumer text COLLATE "C" NOT NULL,
    stream_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (consumer, stream_id)
) WITH (fillfactor = 70);

-- Foreign messages and idempotent requests: each once, kept 90 days.
CREATE TABLE inbox_foreign (
    consumer text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    result bytea,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, source, id)
);
CREATE INDEX inbox_foreign_age ON inbox_foreign (taken_at);

-- One alarm per stream. Rows come and go all the time, so dead ones are cleared early.
CREATE TABLE timers (
    stream_id text COLLATE "C" PRIMARY KEY,
    partition integer NOT NULL,
    due_at timestamptz NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0.2
);
CREATE INDEX timers_due ON timers (partition, due_at);

-- Streams that wait for one consumer, and the messages in their lines. Times are wall time.
CREATE TABLE parked_streams (
    consumer text COLLATE "C" NOT NULL,
    stream_id text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    code text NOT NULL,
    since timestamptz NOT NULL,
    retry_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    feeds text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (consumer, stream_id)
);
CREATE INDEX parked_feeds ON parked_streams (feeds) WHERE feeds <> '';
CREATE TABLE parked_messages (
    consumer text COLLATE "C" NOT NULL,
    stream_id text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    topic text NOT NULL,
    key bytea NOT NULL,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (consumer, stream_id, id)
);
CREATE INDEX parked_messages_line ON parked_messages (consumer, stream_id, place);

-- One cause that touches many streams, some hundreds at a time.
CREATE TABLE sweeps (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    prefix text NOT NULL,
    payload text NOT NULL,
    cursor text COLLATE "C" NOT NULL
);

-- The one way to append: all streams and facts of a transaction, inbox and timers, in one call.
-- Raises 40001 when anything changed since it was read. Lock order: parked_streams, streams,
-- events, inbox, timers; each sorted.
CREATE FUNCTION steward_commit(
    parked_consumer text[], parked_stream text[], parked_was boolean[],
    s_stream text[], s_key text[], s_partition integer[], s_expected integer[], s_version integer[],
    s_recorded timestamptz[], s_history timestamptz[], s_live boolean[],
    e_stream text[], e_version integer[], e_partition integer[], e_type text[],
    e_data text[], e_meta text[],
    i_consumer text[], i_stream text[], i_expected integer[], i_version integer[], i_event uuid[],
    t_stream text[], t_partition integer[], t_due timestamptz[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found_rows bigint;
    wanted bigint;
BEGIN
    IF cardinality(parked_stream) > 0 THEN
        PERFORM FROM parked_streams p
            JOIN unnest(parked_consumer, parked_stream) AS q (consumer, stream_id)
            USING (consumer, stream_id)
            ORDER BY p.consumer, p.stream_id FOR UPDATE OF p;
        PERFORM FROM unnest(parked_consumer, parked_stream, parked_was) AS q (consumer, stream_id, was)
            LEFT JOIN parked_streams p USING (consumer, stream_id)
            WHERE (p.reason IS NOT NULL) <> q.was;
        IF FOUND THEN
            RAISE serialization_failure USING MESSAGE = 'a stream was parked or freed meanwhile';
        END IF;
    END IF;

    IF cardinality(s_stream) = 1 AND s_expected[1] > 0 THEN
        UPDATE streams s SET version = s_version[1], last_xid = pg_current_xact_id(),
                recorded_at = s_recorded[1], history = s_history[1], live = s_live[1]
            WHERE s.stream_id = s_stream[1] AND s.version = s_expected[1]
                AND s.last_xid <= pg_current_xact_id();
        IF NOT FOUND THEN
            RAISE serialization_failure USING MESSAGE = 'a stream has moved on';
        END IF;
    ELSIF cardinality(s_stream) > 0 THEN
        PERFORM FROM streams WHERE stream_id = ANY (s_stream) ORDER BY stream_id FOR UPDATE;
        UPDATE streams s SET version = q.version, last_xid = pg_current_xact_id(),
                recorded_at = q.recorded, history = q.history, live = q.live
            FROM unnest(s_stream, s_expected, s_version, s_recorded, s_history, s_live)
                AS q (stream_id, expected, version, recorded, history, live)
            WHERE s.stream_id = q.stream_id AND q.expected > 0 AND s.version = q.expected
                AND s.last_xid <= pg_current_xact_id();
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        SELECT count(*) INTO wanted FROM unnest(s_expected) AS q (expected) WHERE q.expected > 0;
        IF found_rows <> wanted THEN
            RAISE serialization_failure USING MESSAGE = 'a stream has moved on';
        END IF;
        IF wanted < cardinality(s_stream) THEN
            INSERT INTO streams
                SELECT q.stream_id, q.key, q.partition, q.version, pg_current_xact_id(),
                       q.recorded, q.history, q.live
                FROM unnest(s_stream, s_key, s_partition, s_expected, s_version,
                            s_recorded, s_history, s_live)
                    AS q (stream_id, key, partition, expected, version, recorded, history, live)
                WHERE q.expected = 0
                ORDER BY q.stream_id;
        END IF;
    END IF;

    IF cardinality(e_stream) = 1 THEN
        INSERT INTO events (log_epoch, stream_id, version, partition, type, data, meta)
            VALUES ((SELECT epoch FROM log), e_stream[1], e_version[1], e_partition[1], e_type[1],
                    e_data[1]::jsonb, e_meta[1]::jsonb);
    ELSIF cardinality(e_stream) > 0 THEN
        INSERT INTO events (log_epoch, stream_id, version, partition, type, data, meta)
            SELECT (SELECT epoch FROM log), q.stream_id, q.version, q.partition, q.type,
                   q.data::jsonb, q.meta::jsonb
            FROM unnest(e_stream, e_version, e_partition, e_type, e_data, e_meta)
                WITH ORDINALITY AS q (stream_id, version, partition, type, data, meta, place)
            ORDER BY q.place;
    END IF;

    IF cardinality(i_stream) > 0 THEN
        PERFORM FROM inbox i
            JOIN unnest(i_consumer, i_stream) AS q (consumer, stream_id)
            USING (consumer, stream_id)
            ORDER BY i.consumer, i.stream_id FOR UPDATE OF i;
        UPDATE inbox i SET version = q.version, event_id = q.event
            FROM unnest(i_consumer, i_stream, i_expected, i_version, i_event)
                AS q (consumer, stream_id, expected, version, event)
            WHERE i.consumer = q.consumer AND i.stream_id = q.stream_id
                AND q.expected > 0 AND i.version = q.expected;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        SELECT count(*) INTO wanted FROM unnest(i_expected) AS q (expected) WHERE q.expected > 0;
        IF found_rows <> wanted THEN
            RAISE serialization_failure USING MESSAGE = 'an inbox has moved on';
        END IF;
        IF wanted < cardinality(i_stream) THEN
            INSERT INTO inbox
                SELECT q.consumer, q.stream_id, q.version, q.event
                FROM unnest(i_consumer, i_stream, i_expected, i_version, i_event)
                    AS q (consumer, stream_id, expected, version, event)
                WHERE q.expected = 0
                ORDER BY q.consumer, q.stream_id;
        END IF;
    END IF;

    IF cardinality(t_stream) > 0 THEN
        DELETE FROM timers WHERE stream_id IN (
            SELECT q.stream_id FROM unnest(t_stream, t_due) AS q (stream_id, due)
            WHERE q.due IS NULL);
        INSERT INTO timers AS t
            SELECT q.stream_id, q.partition, q.due
            FROM unnest(t_stream, t_partition, t_due) AS q (stream_id, partition, due)
            WHERE q.due IS NOT NULL
            ORDER BY q.stream_id
            ON CONFLICT (stream_id) DO UPDATE SET due_at = excluded.due_at
                WHERE t.due_at <> excluded.due_at;
    END IF;
END $$;
