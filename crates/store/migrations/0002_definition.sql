-- Every version of every document of the applied packs. A document that has not changed keeps its version.
CREATE TABLE definition (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    body TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    applied_by TEXT NOT NULL,
    retired_at BIGINT,
    UNIQUE (kind, name, version)
);
CREATE UNIQUE INDEX definition_current ON definition (kind, name) WHERE retired_at IS NULL;
CREATE TABLE pack (
    version BIGINT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL,
    documents BIGINT NOT NULL,
    applied_at BIGINT NOT NULL,
    applied_by TEXT NOT NULL
);
