-- What a decision was made by: the weights of the pair as JSON, without the values that were compared, and the version
-- of the table of candidates that keeps the model.
ALTER TABLE link_decision ADD COLUMN evidence TEXT;
ALTER TABLE link_decision ADD COLUMN model_version BIGINT;
