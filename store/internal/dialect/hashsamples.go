package dialect

// hashKind is what a hash begins with: $2y$12$, $argon2id$v=19$m=19456,t=2,p.
const hashKind = "SUBSTR(password_hash, 1, CASE WHEN SUBSTR(password_hash, 1, 2) = '$2' THEN 7 ELSE 28 END)"

// groupedHashSamples reads every subject.
const groupedHashSamples = "SELECT MIN(password_hash) FROM subjects WHERE password_hash <> '' GROUP BY " + hashKind + " LIMIT 1000"

// steppedHashSamples goes from each kind to the next one in an index: however
// many subjects there are, it reads one of each.
const steppedHashSamples = `
WITH RECURSIVE kinds (beginning) AS (
    SELECT ''
    UNION ALL
    SELECT (SELECT ` + hashKind + ` FROM subjects WHERE ` + hashKind + ` > beginning ORDER BY 1 LIMIT 1) FROM kinds WHERE beginning IS NOT NULL
    LIMIT 1000)
SELECT (SELECT password_hash FROM subjects WHERE ` + hashKind + ` = beginning LIMIT 1) FROM kinds WHERE beginning <> ''`
