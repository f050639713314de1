CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    department TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    version BIGINT NOT NULL
);
CREATE TABLE account_role (
    account TEXT NOT NULL REFERENCES account (id),
    role TEXT NOT NULL,
    PRIMARY KEY (account, role)
);
-- The account is the whole key: nobody holds two of the three offices (三员分立; GB/T 22239-2019).
CREATE TABLE account_office (
    account TEXT NOT NULL PRIMARY KEY REFERENCES account (id),
    office TEXT NOT NULL CHECK (office IN ('system', 'security', 'audit')),
    assigned_at BIGINT NOT NULL,
    assigned_by TEXT NOT NULL
);
CREATE TABLE session (
    token_sha256 TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account);
CREATE TABLE api_token (
    id TEXT NOT NULL PRIMARY KEY,
    token_sha256 TEXT NOT NULL UNIQUE,
    department TEXT NOT NULL,
    grant_id TEXT REFERENCES share_grant (id),
    name TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX api_token_department ON api_token (department, created_at);
