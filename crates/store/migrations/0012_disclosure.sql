-- A record of a registry was shown in clear to somebody who stated why; only ever appended.
-- `entity` is the identifier that the city gave it, never its number; `record` says which record of a doubtful pair
-- was shown beside it (`dataset/batch/row`), empty for the golden record alone.
CREATE TABLE disclosure (
    id TEXT NOT NULL PRIMARY KEY,
    registry TEXT NOT NULL,
    entity TEXT NOT NULL,
    record TEXT NOT NULL,
    reason TEXT NOT NULL,
    department TEXT NOT NULL,
    account TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX disclosure_entity ON disclosure (registry, entity, at);
