-- create tables
CREATE TABLE IF NOT EXISTS "tests_author" ( "id" INTEGER PRIMARY KEY, "name" VARCHAR(50) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_document" ( "id" INTEGER PRIMARY KEY, "title" VARCHAR(50) NOT NULL, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" INTEGER REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" F32_BLOB(3), "other_vector" F32_BLOB(3) );
CREATE TABLE IF NOT EXISTS "tests_chunk" ( "id" INTEGER PRIMARY KEY, "document_id" INTEGER NOT NULL REFERENCES "tests_document"("id") ON DELETE CASCADE, "embedding" F32_BLOB(3) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_package" ( "id" INTEGER PRIMARY KEY, "section" VARCHAR(20) NOT NULL, "embedding" F32_BLOB(16) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_sample" ( "id" INTEGER PRIMARY KEY, "title" VARCHAR(50) NOT NULL, "full" F32_BLOB(3), "half" F32_BLOB(3), "sparse" F32_BLOB(3), "bits" BLOB, "unit" F32_BLOB(3) );
CREATE TABLE IF NOT EXISTS "tests_note" ( "id" INTEGER PRIMARY KEY, "slug" VARCHAR(255) NOT NULL UNIQUE, "body" TEXT, "source" VARCHAR(50), "pages" INTEGER, "price" REAL, "urgent" INTEGER, "written" DATE, "labels" TEXT, "metadata" TEXT, "embedding" F32_BLOB(6) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_article" ( "id" INTEGER PRIMARY KEY, "head" VARCHAR(100) NOT NULL, "body" TEXT, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" INTEGER REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" F32_BLOB(3) );
CREATE INDEX "article_words" ON "tests_article" USING fts ("head", "body");

-- insert
INSERT INTO "tests_document" ("title", "pages", "author_id", "embedding", "other_vector") VALUES (%s, %s, %s, %s, %s);

-- bulk insert
INSERT INTO "tests_document" ("title", "pages", "author_id", "embedding", "other_vector") VALUES (%s, %s, %s, %s, %s), (%s, %s, %s, %s, %s);

-- read
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC;

-- update a row
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
UPDATE "tests_document" SET "title" = %s, "pages" = %s, "author_id" = %s, "embedding" = %s, "other_vector" = %s WHERE "id" = %s;

-- update a row whose vector was deferred
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
UPDATE "tests_document" SET "title" = %s, "pages" = %s, "author_id" = %s, "embedding" = "tests_document"."embedding", "other_vector" = %s WHERE "id" = %s;

-- update by filter
UPDATE "tests_document" SET "embedding" = %s WHERE "tests_document"."title" = %s;

-- bulk update
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
UPDATE "tests_document" SET "embedding" = CASE "id" WHEN %s THEN %s ELSE "embedding" END WHERE "id" IN (%s);

-- look up a vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE ("tests_document"."embedding" = %s) ORDER BY "tests_document"."id" ASC;

-- a key of JSON, as text
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(((SELECT CAST(value AS TEXT) FROM json_each(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END) WHERE key IN (%s, replace(%s, '\"', '"')) AND type IN ('text'))) >= %s, FALSE);

-- a key of JSON, as a number
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE((((SELECT CASE WHEN type = 'integer' AND (length(ltrim(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END -> fullkey, '-')) > 19 OR length(ltrim(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END -> fullkey, '-')) = 19 AND ltrim(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END -> fullkey, '-') > '9223372036854775807') THEN CAST(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END -> fullkey AS REAL) ELSE value END FROM json_each(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END) WHERE key IN (%s, replace(%s, '\"', '"')) AND type IN ('integer', 'real'))) IN (%s, %s)), FALSE);

-- an array in JSON
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(EXISTS (SELECT 1 FROM json_each((SELECT value FROM json_each(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END) WHERE key IN (%s, replace(%s, '\"', '"')) AND type IN ('array'))) WHERE type IN ('text') AND CAST(value AS TEXT) = %s), FALSE);

-- a pattern
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE("tests_note"."source" GLOB %s, FALSE);

-- L2 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- cosine distance, on an indexed column
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vector_distance_cos("tests_package"."embedding", %s) + 0 / (vector_distance_dot("tests_package"."embedding", "tests_package"."embedding") * vector_distance_dot(%s, %s))) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- inner product
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_dot("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- L1 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN 2 * (2 * ceil(1 - vector_distance_dot(vector64("tests_document"."embedding"), vector64(vector1bit("tests_document"."embedding"))) - vector_distance_dot(vector64(%s), vector64(vector1bit(%s)))) + vector_distance_dot(vector64("tests_document"."embedding"), vector64(vector1bit(zeroblob(4 * 3)))) + vector_distance_dot(vector64(%s), vector64(vector1bit(zeroblob(4 * 3))))) / (2 - vector_distance_jaccard(vector_concat(vector64("tests_document"."embedding"), vector64('[' || ceil(1 - vector_distance_dot(vector64("tests_document"."embedding"), vector64(vector1bit("tests_document"."embedding"))) - vector_distance_dot(vector64(%s), vector64(vector1bit(%s)))) || ']')), vector_concat(vector64(%s), vector64('[' || ceil(1 - vector_distance_dot(vector64("tests_document"."embedding"), vector64(vector1bit("tests_document"."embedding"))) - vector_distance_dot(vector64(%s), vector64(vector1bit(%s)))) || ']')))) - (2 * ceil(1 - vector_distance_dot(vector64("tests_document"."embedding"), vector64(vector1bit("tests_document"."embedding"))) - vector_distance_dot(vector64(%s), vector64(vector1bit(%s)))) + vector_distance_dot(vector64("tests_document"."embedding"), vector64(vector1bit(zeroblob(4 * 3)))) + vector_distance_dot(vector64(%s), vector64(vector1bit(zeroblob(4 * 3))))) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST;

-- descending
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" DESC NULLS LAST LIMIT 2;

-- an expression in order_by
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2;

-- nearest
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- nearest, on an indexed column
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vector_distance_cos("tests_package"."embedding", %s) + 0 / (vector_distance_dot("tests_package"."embedding", "tests_package"."embedding") * vector_distance_dot(%s, %s))) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 0;

-- nearest, filtered
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vector_distance_cos("tests_package"."embedding", %s) + 0 / (vector_distance_dot("tests_package"."embedding", "tests_package"."embedding") * vector_distance_dot(%s, %s))) AS "distance" FROM "tests_package" WHERE "tests_package"."section" = %s ORDER BY "distance" ASC NULLS LAST LIMIT 0;

-- nearest, more rows than an index finds by itself
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vector_distance_cos("tests_package"."embedding", %s) + 0 / (vector_distance_dot("tests_package"."embedding", "tests_package"."embedding") * vector_distance_dot(%s, %s))) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 0 OFFSET 100;

-- nearest, where the index finds fewer rows than it should
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vector_distance_cos("tests_package"."embedding", %s) + 0 / (vector_distance_dot("tests_package"."embedding", "tests_package"."embedding") * vector_distance_dot(%s, %s))) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- nearest, within a distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND ((CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) <= %s) ORDER BY "distance" ASC NULLS LAST;

-- nearest to a row
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND NOT ("tests_document"."id" = %s) ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2;

-- nearest, inside another query
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."pages" = %s AND ("tests_document_sub"."embedding" IS NOT NULL) ORDER BY (CASE WHEN "tests_document_sub"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document_sub"."embedding", %s) END) ASC NULLS LAST LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- a similarity
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (%s - (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_cos("tests_document"."embedding", %s) + 0 / (vector_distance_dot("tests_document"."embedding", "tests_document"."embedding") * vector_distance_dot(%s, %s)) END)) AS "similarity" FROM "tests_document" ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_cos("tests_document"."embedding", %s) + 0 / (vector_distance_dot("tests_document"."embedding", "tests_document"."embedding") * vector_distance_dot(%s, %s)) END) ASC NULLS LAST LIMIT 2;

-- no query vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", CAST(NULL AS REAL) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a threshold
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) < %s AND "tests_document"."pages" >= %s ORDER BY "distance" ASC NULLS LAST;

-- a threshold in Q, negated
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ((NOT ((CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) < %s)) OR (("tests_document"."title" = %s))) ORDER BY "tests_document"."id" ASC;

-- count by a threshold
SELECT COUNT(*) AS "count" FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) < %s;

-- count a slice
SELECT COUNT(*) AS "count" FROM (SELECT "tests_document"."id" AS "pk" FROM "tests_document" AS "tests_document" ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2) AS "derived";

-- exists
SELECT 1 FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) < %s LIMIT 1;

-- values
SELECT "tests_document"."title" AS "title", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- values of an annotation alone
SELECT 1 AS "_", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" LIMIT 2;

-- aggregate
SELECT MIN("derived"."distance") AS "nearest", MAX("derived"."pages") AS "pages" FROM (SELECT "tests_document"."pages" AS "pages", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" AS "tests_document") AS "derived";

-- across a relation
SELECT "tests_chunk"."id" AS "id", "tests_chunk"."document_id" AS "document_id", "tests_chunk"."embedding" AS "embedding", (CASE WHEN "tests_chunk_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_chunk_document"."embedding", %s) END) AS "distance" FROM "tests_chunk" INNER JOIN "tests_document" AS "tests_chunk_document" ON "tests_chunk_document"."id" = "tests_chunk"."document_id" ORDER BY "distance" ASC NULLS LAST;

-- with select_related
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance", "_sr_author"."id" AS "_sr_author_id", "_sr_author"."name" AS "_sr_author_name" FROM "tests_document" LEFT OUTER JOIN "tests_author" AS "_sr_author" ON "_sr_author"."id" = "tests_document"."author_id" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- two columns
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL AND "tests_document"."other_vector" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", "tests_document"."other_vector") END) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a subquery as the vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL AND (SELECT "tests_document_sub"."embedding" AS "embedding" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."title" = %s LIMIT 1) IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", (SELECT "tests_document_sub"."embedding" AS "embedding" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."title" = %s LIMIT 1)) END) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- inside exists
SELECT "tests_author"."id", "tests_author"."name" FROM "tests_author" WHERE EXISTS (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" AS "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) < %s AND "tests_document"."author_id" = "tests_author"."id");

-- a slice inside in
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" ORDER BY (CASE WHEN "tests_document_sub"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document_sub"."embedding", %s) END) ASC NULLS LAST LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- union of slices
SELECT * FROM (SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 1) AS "part" UNION SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" DESC NULLS LAST LIMIT 1) AS "part") AS "combined";

-- arithmetic
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (%s - (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_cos("tests_document"."embedding", %s) + 0 / (vector_distance_dot("tests_document"."embedding", "tests_document"."embedding") * vector_distance_dot(%s, %s)) END)) AS "similarity" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- update by a threshold
UPDATE "tests_document" SET "pages" = %s WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) < %s;

-- delete by a threshold
SELECT "tests_document"."id" AS "id" FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) > %s;
SELECT "tests_chunk"."id" AS "id" FROM "tests_chunk" WHERE "tests_chunk"."document_id" IN (%s, %s);
DELETE FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vector_distance_l2("tests_document"."embedding", %s) END) > %s;

-- function dimensions
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN length("tests_sample"."full") / 4 END) AS "value" FROM "tests_sample";

-- function norm
SELECT 1 AS "_", (CASE WHEN "tests_sample"."half" IS NOT NULL THEN vector_distance_l2("tests_sample"."half", zeroblob(length("tests_sample"."half"))) END) AS "value" FROM "tests_sample";

-- function normalize

-- function subvector
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vector_slice("tests_sample"."full", 1, 3) END) AS "value" FROM "tests_sample";

-- function concatenate
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vector_concat("tests_sample"."full", %s) END) AS "value" FROM "tests_sample";

-- function add

-- function subtract

-- function multiply

-- function binary quantize

-- function cast

-- function inside a distance
SELECT 1 AS "_", (CASE WHEN (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vector_slice("tests_sample"."full", 0, 2) END) IS NOT NULL THEN vector_distance_l2((CASE WHEN "tests_sample"."full" IS NOT NULL THEN vector_slice("tests_sample"."full", 0, 2) END), %s) END) AS "value" FROM "tests_sample";

-- hybrid search
WITH "fused" AS (SELECT %s AS "asked", "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", fts_score("tests_article"."head", "tests_article"."body", ?1) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND fts_match("tests_article"."head", "tests_article"."body", ?1)) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place" FROM (SELECT "tests_article"."id" AS "pk", (CASE WHEN "tests_article"."embedding" IS NOT NULL THEN vector_distance_l2("tests_article"."embedding", %s) END) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND ("tests_article"."embedding" IS NOT NULL) ORDER BY "found_value" ASC NULLS LAST, "tests_article"."id" ASC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- hybrid search, weighted
WITH "fused" AS (SELECT %s AS "asked", "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN ("found_value" - MIN("found_value") OVER ()) / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", fts_score("tests_article"."head", "tests_article"."body", ?1) AS "found_value" FROM "tests_article" AS "tests_article" WHERE fts_match("tests_article"."head", "tests_article"."body", ?1)) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN (MAX("found_value") OVER () - "found_value") / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT "tests_article"."id" AS "pk", (CASE WHEN "tests_article"."embedding" IS NOT NULL THEN vector_distance_cos("tests_article"."embedding", %s) + 0 / (vector_distance_dot("tests_article"."embedding", "tests_article"."embedding") * vector_distance_dot(%s, %s)) END) AS "found_value" FROM "tests_article" AS "tests_article" WHERE ("tests_article"."embedding" IS NOT NULL) ORDER BY "found_value" ASC NULLS LAST, "tests_article"."id" ASC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- text search
WITH "fused" AS (SELECT %s AS "asked", "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", fts_score("tests_article"."head", "tests_article"."body", ?1) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."id" IN (SELECT "tests_article"."id" FROM "tests_article" LEFT OUTER JOIN "tests_author" AS "tests_article_author" ON "tests_article_author"."id" = "tests_article"."author_id" WHERE "tests_article_author"."name" = %s) AND fts_match("tests_article"."head", "tests_article"."body", ?1)) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 10) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- average

-- average over a relation

-- fill a companion

-- search a part of a companion
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vector_distance_cos("tests_shelved"."embedding", %s) + 0 / (vector_distance_dot("tests_shelved"."embedding", "tests_shelved"."embedding") * vector_distance_dot(%s, %s)) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."pages" > %s ORDER BY "distance" ASC NULLS LAST LIMIT 3;

-- search a companion of signs
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vector_distance_cos("tests_shelved"."embedding", %s) + 0 / (vector_distance_dot("tests_shelved"."embedding", "tests_shelved"."embedding") * vector_distance_dot(%s, %s)) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) ORDER BY "distance" ASC NULLS LAST LIMIT 3;

-- drop a companion
SELECT substr(name, 1, length(name) - 5) AS "name", tbl_name AS "table", 1 AS "valid" FROM sqlite_master WHERE type = 'trigger' AND substr(name, -5) = '_move' AND instr(sql, 'DELETE FROM "' || substr(name, 1, length(name) - 5) || '" WHERE id = old.');

