CREATE TABLE entry (
    code TEXT NOT NULL PRIMARY KEY,
    classification TEXT NOT NULL,
    serial BIGINT NOT NULL,
    source_kind TEXT NOT NULL CHECK (source_kind IN ('dataset', 'registry')),
    source TEXT NOT NULL,
    department TEXT NOT NULL,
    title_zh TEXT NOT NULL,
    title_en TEXT NOT NULL,
    title_key TEXT NOT NULL UNIQUE,
    sharing TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    search_text TEXT NOT NULL,
    search_pinyin TEXT NOT NULL,
    search_initials TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    published_at BIGINT,
    version BIGINT NOT NULL,
    UNIQUE (classification, serial),
    UNIQUE (source_kind, source)
);
CREATE INDEX entry_state ON entry (state, code);
CREATE INDEX entry_department ON entry (department, code);
