-- +goose NO TRANSACTION

-- +goose Up
-- Whom the latest changes concern, so that nodes need not read everything again
-- after each. 0 is for everybody; a change that is not here may concern anybody.
CREATE TABLE IF NOT EXISTS changes (
    revision   BIGINT NOT NULL PRIMARY KEY,
    subject_id BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE changes;
