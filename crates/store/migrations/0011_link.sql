-- What was decided on who is whom. A revoked decision stays: it is a record of its own.
-- `record_key`, `entity_key` and `other_key` are personal data and never logged.
CREATE TABLE link_decision (
    id TEXT NOT NULL PRIMARY KEY,
    registry TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('join', 'merge', 'split', 'apart')),
    dataset TEXT NOT NULL,
    record_key TEXT NOT NULL,
    entity_key TEXT NOT NULL,
    other_key TEXT NOT NULL,
    reason TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    -- Digest of the model that proposed it, empty where none did; its probability in millionths.
    model TEXT NOT NULL,
    probability_ppm BIGINT,
    revoked_at BIGINT,
    revoked_by TEXT,
    revoked_reason TEXT,
    version BIGINT NOT NULL
);
-- Of those that stand: a record is joined once and split off once, an entity is merged into one other.
CREATE UNIQUE INDEX link_decision_record ON link_decision (registry, kind, dataset, record_key)
    WHERE kind IN ('join', 'split') AND revoked_at IS NULL;
CREATE UNIQUE INDEX link_decision_merged ON link_decision (registry, other_key)
    WHERE kind = 'merge' AND revoked_at IS NULL;
CREATE UNIQUE INDEX link_decision_apart ON link_decision (registry, dataset, record_key, entity_key, other_key)
    WHERE kind = 'apart' AND revoked_at IS NULL;
CREATE INDEX link_decision_registry ON link_decision (registry, id);
CREATE INDEX link_decision_of_record ON link_decision (registry, dataset, record_key);
CREATE INDEX link_decision_entity ON link_decision (registry, entity_key);
CREATE INDEX link_decision_other ON link_decision (registry, other_key);
-- What a reviewer said of a doubtful pair; a later answer of the same reviewer takes the place of the one before.
CREATE TABLE link_label (
    id TEXT NOT NULL PRIMARY KEY,
    registry TEXT NOT NULL,
    dataset TEXT NOT NULL,
    record_key TEXT NOT NULL,
    entity_key TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    answer TEXT NOT NULL CHECK (answer IN ('same', 'different', 'unsure')),
    answered_at BIGINT NOT NULL,
    -- How long the pair was looked at.
    seconds BIGINT NOT NULL,
    probability_ppm BIGINT,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX link_label_pair ON link_label (registry, dataset, record_key, entity_key, reviewer);
CREATE INDEX link_label_registry ON link_label (registry, id);
-- Entities whose values are shown to those only whose grant says so. `entity_key` is personal data.
CREATE TABLE protected_entity (
    id TEXT NOT NULL PRIMARY KEY,
    registry TEXT NOT NULL,
    entity_key TEXT NOT NULL,
    basis TEXT NOT NULL,
    since TEXT NOT NULL,
    -- Last day; empty: until it is lifted.
    until TEXT,
    noted_by TEXT NOT NULL,
    noted_at BIGINT NOT NULL,
    lifted_at BIGINT,
    lifted_by TEXT,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX protected_entity_standing ON protected_entity (registry, entity_key) WHERE lifted_at IS NULL;
CREATE INDEX protected_entity_registry ON protected_entity (registry, id);
