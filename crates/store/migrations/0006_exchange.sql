CREATE TABLE request (
    id TEXT NOT NULL PRIMARY KEY,
    entry TEXT NOT NULL REFERENCES entry (code),
    requester TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX request_requester ON request (requester, changed_at);
CREATE INDEX request_provider ON request (provider, changed_at);
CREATE INDEX request_entry ON request (entry, changed_at);
-- "grant" is a reserved word.
CREATE TABLE share_grant (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL UNIQUE REFERENCES request (id),
    entry TEXT NOT NULL REFERENCES entry (code),
    grantee TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'expired', 'terminated')),
    reason TEXT,
    valid_from TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    calls_per_day BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX share_grant_grantee ON share_grant (grantee, state);
CREATE INDEX share_grant_entry ON share_grant (entry, state);
CREATE INDEX share_grant_ending ON share_grant (state, valid_until);
CREATE TABLE grant_day (
    grant_id TEXT NOT NULL REFERENCES share_grant (id),
    day TEXT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (grant_id, day)
);
-- One supplied (or emptily answered) call. Kept for at least three years (art. 29).
CREATE TABLE usage_row (
    id TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES share_grant (id),
    entry TEXT NOT NULL,
    grantee TEXT NOT NULL,
    token TEXT NOT NULL,
    door TEXT NOT NULL,
    purpose TEXT NOT NULL,
    case_number TEXT NOT NULL,
    looked_up TEXT NOT NULL,
    columns TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    table_version BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX usage_row_grant ON usage_row (grant_id, at);
CREATE INDEX usage_row_at ON usage_row (at);
