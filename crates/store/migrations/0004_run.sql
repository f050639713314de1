-- One execution of a step. `lease_until` is moved on by the holder; a run whose lease has passed is abandoned by the sweep.
CREATE TABLE run (
    id TEXT NOT NULL PRIMARY KEY,
    step TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'abandoned')),
    holder TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    deadline_at BIGINT NOT NULL,
    ended_at BIGINT,
    result TEXT,
    error TEXT
);
CREATE UNIQUE INDEX run_active ON run (step, subject) WHERE state = 'running';
CREATE INDEX run_history ON run (subject, started_at);
CREATE TABLE metric (
    dataset TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL,
    measured_at BIGINT NOT NULL,
    rows_checked BIGINT NOT NULL,
    rows_faulty BIGINT NOT NULL,
    rows_held BIGINT NOT NULL,
    body TEXT NOT NULL
);
