-- A delivery that a rule keeps out of the checked table as a whole (整批拦截), until a later delivery takes its place
-- or passes with it, or somebody decides to let it in.
CREATE TABLE embargo (
    id TEXT NOT NULL PRIMARY KEY,
    dataset TEXT NOT NULL,
    batches TEXT NOT NULL,
    check_key TEXT NOT NULL,
    reasons TEXT NOT NULL,
    rows_kept_out BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('standing', 'released', 'replaced', 'passed')),
    statement TEXT,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX embargo_standing ON embargo (dataset) WHERE state = 'standing';
CREATE INDEX embargo_dataset ON embargo (dataset, began_at);
