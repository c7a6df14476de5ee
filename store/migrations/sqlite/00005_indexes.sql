-- +goose Up
-- Few subjects are admins or disabled: listing those must not read all users.
CREATE INDEX subjects_admins ON subjects (kind, name) WHERE admin = 1;
CREATE INDEX subjects_disabled ON subjects (kind, name) WHERE disabled = 1;

-- What a hash begins with: $2y$12$, $argon2id$v=19$m=19456,t=2,p. Finding the few
-- kinds that there are must not read all users.
CREATE INDEX subjects_by_hash_kind ON subjects
    (SUBSTR(password_hash, 1, CASE WHEN SUBSTR(password_hash, 1, 2) = '$2' THEN 7 ELSE 28 END));

-- +goose Down
DROP INDEX subjects_by_hash_kind;
DROP INDEX subjects_disabled;
DROP INDEX subjects_admins;
