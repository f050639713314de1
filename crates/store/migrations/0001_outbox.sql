-- What happened and must not be denied, in the order in which it happened.
-- `leaf` is the index in the ledger once the sequencer has taken the row over; `refused` says why it never can.
CREATE TABLE outbox (
    seq {serial},
    entry_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    org TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    payload TEXT NOT NULL,
    salt TEXT,
    leaf BIGINT UNIQUE,
    refused TEXT
);
CREATE INDEX outbox_object ON outbox (object, seq);
CREATE INDEX outbox_pending ON outbox (seq) WHERE leaf IS NULL AND refused IS NULL;
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL
);
