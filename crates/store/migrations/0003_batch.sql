CREATE TABLE batch (
    id TEXT NOT NULL PRIMARY KEY,
    dataset TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('receiving', 'landed', 'failed')),
    attempt BIGINT NOT NULL,
    rows_in BIGINT NOT NULL,
    rows_accepted BIGINT NOT NULL,
    rows_quarantined BIGINT NOT NULL,
    landing_version BIGINT,
    error TEXT,
    received_at BIGINT NOT NULL,
    ended_at BIGINT,
    checked_by TEXT,
    checked_at BIGINT,
    UNIQUE (dataset, idempotency_key),
    CHECK (rows_in = rows_accepted + rows_quarantined)
);
CREATE INDEX batch_received ON batch (dataset, received_at);
CREATE INDEX batch_unchecked ON batch (dataset, received_at) WHERE state = 'landed' AND checked_by IS NULL;
