-- A fault that its department must answer for: of a rule (`fault`), or raised by a user of the data (`objection`, 校核).
-- The counts and `seen_at` move with every check and are no part of what the ledger tells.
CREATE TABLE ticket (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('fault', 'objection')),
    dataset TEXT NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    department TEXT NOT NULL,
    entry TEXT NOT NULL,
    record_key TEXT NOT NULL,
    field TEXT NOT NULL,
    value_digest TEXT NOT NULL,
    raised_by TEXT NOT NULL,
    receipt TEXT NOT NULL,
    statement TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed')),
    reason TEXT,
    explanation TEXT,
    times BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    closed_at BIGINT,
    rows_open BIGINT NOT NULL,
    rows_seen BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX ticket_open_rule ON ticket (dataset, rule) WHERE kind = 'fault' AND state = 'open';
CREATE INDEX ticket_rule ON ticket (dataset, rule, opened_at);
CREATE INDEX ticket_department ON ticket (department, state, opened_at);
CREATE INDEX ticket_raised_by ON ticket (raised_by, opened_at);
-- A department that was supplied with a value before it was corrected is told, once per ticket until it acknowledges.
CREATE TABLE notice (
    id TEXT NOT NULL PRIMARY KEY,
    ticket TEXT NOT NULL REFERENCES ticket (id),
    department TEXT NOT NULL,
    outcome TEXT NOT NULL,
    supplies BIGINT NOT NULL,
    receipts TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    remark TEXT,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX notice_open ON notice (ticket, department) WHERE acknowledged_at IS NULL;
CREATE INDEX notice_ticket ON notice (ticket, told_at);
CREATE INDEX notice_department ON notice (department, told_at);
-- The figures of every check, for ever: what the history, the scores and the search for anomalies are made of.
CREATE TABLE metric_run (
    run TEXT NOT NULL PRIMARY KEY,
    dataset TEXT NOT NULL,
    measured_at BIGINT NOT NULL,
    rows_checked BIGINT NOT NULL,
    rows_faulty BIGINT NOT NULL,
    rows_held BIGINT NOT NULL,
    rows_standing BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX metric_run_dataset ON metric_run (dataset, measured_at);
CREATE INDEX usage_row_record ON usage_row (entry, looked_up);
