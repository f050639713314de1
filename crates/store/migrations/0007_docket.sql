CREATE TABLE docket_item (
    id TEXT NOT NULL PRIMARY KEY,
    procedure TEXT NOT NULL,
    subject TEXT NOT NULL,
    title_zh TEXT NOT NULL,
    title_en TEXT NOT NULL,
    state TEXT NOT NULL,
    department TEXT NOT NULL,
    role TEXT NOT NULL,
    received_on TEXT NOT NULL,
    term_days BIGINT,
    extension_days BIGINT NOT NULL,
    stops TEXT NOT NULL,
    due_on TEXT,
    escalation BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    closed_at BIGINT,
    outcome TEXT,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX docket_item_open ON docket_item (subject, procedure) WHERE closed_at IS NULL;
CREATE INDEX docket_item_worklist ON docket_item (department, role, due_on) WHERE closed_at IS NULL;
CREATE INDEX docket_item_due ON docket_item (due_on, id) WHERE closed_at IS NULL;
-- What one role had, or has, to do on an item. The open task mirrors the item's state.
CREATE TABLE docket_task (
    id TEXT NOT NULL PRIMARY KEY,
    item TEXT NOT NULL REFERENCES docket_item (id),
    state TEXT NOT NULL,
    department TEXT NOT NULL,
    role TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    due_on TEXT,
    closed_at BIGINT,
    closed_by TEXT,
    outcome TEXT
);
CREATE UNIQUE INDEX docket_task_open ON docket_task (item) WHERE closed_at IS NULL;
CREATE INDEX docket_task_item ON docket_task (item, opened_at);
-- An escalation happens once per task and level, whatever crashes in between.
CREATE TABLE docket_escalation (
    task TEXT NOT NULL REFERENCES docket_task (id),
    level BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (task, level)
);
