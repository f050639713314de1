-- The calls of one interface in one interval: one leaf of the ledger for all of them.
CREATE TABLE call_batch (
    id TEXT NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    calls_root_sha256 TEXT NOT NULL,
    calls_root_sm3 TEXT NOT NULL,
    -- SHA-256 leaf of every call, in order, 64 digits each: names the call that was changed.
    leaves TEXT NOT NULL,
    -- Every call's salt follows from it; empty once it was destroyed.
    secret TEXT NOT NULL
);
CREATE INDEX call_batch_entry ON call_batch (entry, until_at);
-- Empty: the call waits for its batch.
ALTER TABLE usage_row ADD COLUMN batch TEXT NOT NULL DEFAULT '';
CREATE INDEX usage_row_batch ON usage_row (batch, entry, at, id);
-- Records of earlier releases have a leaf of their own.
UPDATE usage_row SET batch = '-' WHERE id IN (SELECT SUBSTR(object, 16) FROM outbox WHERE object LIKE 'urn:yihe:usage:%');
