-- create tables
CREATE TABLE IF NOT EXISTS "tests_author" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "name" VARCHAR(50) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_document" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "title" VARCHAR(50) NOT NULL, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" INTEGER REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" BLOB, "other_vector" BLOB );
CREATE TABLE IF NOT EXISTS "tests_chunk" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "document_id" INTEGER NOT NULL REFERENCES "tests_document"("id") ON DELETE CASCADE, "embedding" BLOB NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_package" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "section" VARCHAR(20) NOT NULL, "embedding" BLOB NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_sample" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "title" VARCHAR(50) NOT NULL, "full" BLOB, "half" BLOB, "sparse" BLOB, "bits" BLOB, "unit" BLOB );
CREATE TABLE IF NOT EXISTS "tests_note" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "slug" VARCHAR(255) NOT NULL UNIQUE, "body" TEXT, "source" VARCHAR(50), "pages" INTEGER, "price" REAL, "urgent" INTEGER, "written" DATE, "labels" TEXT, "metadata" TEXT, "embedding" BLOB NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_article" ( "id" INTEGER PRIMARY KEY AUTOINCREMENT, "head" VARCHAR(100) NOT NULL, "body" TEXT, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" INTEGER REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" BLOB );
CREATE VIRTUAL TABLE "article_words" USING fts5("head", "body", tokenize = 'porter unicode61 remove_diacritics 2');
INSERT INTO "article_words" (rowid, "head", "body") SELECT rowid, "head", "body" FROM "tests_article";
CREATE TRIGGER "article_words_insert" AFTER INSERT ON "tests_article" BEGIN DELETE FROM "article_words" WHERE rowid = new.rowid; INSERT INTO "article_words" (rowid, "head", "body") VALUES (new.rowid, new."head", new."body"); END;
CREATE TRIGGER "article_words_update" AFTER UPDATE OF "id", "head", "body" ON "tests_article" BEGIN DELETE FROM "article_words" WHERE rowid = old.rowid; DELETE FROM "article_words" WHERE rowid = new.rowid; INSERT INTO "article_words" (rowid, "head", "body") VALUES (new.rowid, new."head", new."body"); END;
CREATE TRIGGER "article_words_delete" AFTER DELETE ON "tests_article" BEGIN DELETE FROM "article_words" WHERE rowid = old.rowid; END;

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
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(((SELECT CAST(value AS TEXT) FROM json_each(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END) WHERE key = %s AND type IN ('text'))) >= %s, FALSE);

-- a key of JSON, as a number
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE((((SELECT value FROM json_each(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END) WHERE key = %s AND type IN ('integer', 'real'))) IN (%s, %s)), FALSE);

-- an array in JSON
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(EXISTS (SELECT 1 FROM json_each((SELECT value FROM json_each(CASE WHEN json_valid("tests_note"."metadata") THEN "tests_note"."metadata" END) WHERE key = %s AND type IN ('array'))) WHERE type IN ('text') AND CAST(value AS TEXT) = %s), FALSE);

-- a pattern
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE("tests_note"."source" GLOB %s, FALSE);

-- L2 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- cosine distance, on an indexed column
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vec_distance_cosine("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- inner product
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN (coalesce(vec_distance_cosine("tests_document"."embedding", %s), 1) - 1) * vec_distance_l2("tests_document"."embedding", zeroblob(4 * 3)) * vec_distance_l2(%s, zeroblob(4 * 3)) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- L1 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l1("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST;

-- descending
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" DESC NULLS LAST LIMIT 2;

-- an expression in order_by
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2;

-- nearest
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- nearest, on an indexed column
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vec_distance_cosine("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 0;

-- nearest, filtered
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vec_distance_cosine("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" WHERE "tests_package"."section" = %s ORDER BY "distance" ASC NULLS LAST LIMIT 0;

-- nearest, more rows than an index finds by itself
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vec_distance_cosine("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 0 OFFSET 100;

-- nearest, where the index finds fewer rows than it should
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (vec_distance_cosine("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- nearest, within a distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND ((CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) <= %s) ORDER BY "distance" ASC NULLS LAST;

-- nearest to a row
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND NOT ("tests_document"."id" = %s) ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2;

-- nearest, inside another query
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."pages" = %s AND ("tests_document_sub"."embedding" IS NOT NULL) ORDER BY (CASE WHEN "tests_document_sub"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document_sub"."embedding", %s) END) ASC NULLS LAST LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- a similarity
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (%s - (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_document"."embedding", %s) END)) AS "similarity" FROM "tests_document" ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2;

-- no query vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", CAST(NULL AS REAL) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a threshold
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) < %s AND "tests_document"."pages" >= %s ORDER BY "distance" ASC NULLS LAST;

-- a threshold in Q, negated
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" WHERE ((NOT ((CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) < %s)) OR (("tests_document"."title" = %s))) ORDER BY "tests_document"."id" ASC;

-- count by a threshold
SELECT COUNT(*) AS "count" FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) < %s;

-- count a slice
SELECT COUNT(*) AS "count" FROM (SELECT "tests_document"."id" AS "pk" FROM "tests_document" AS "tests_document" ORDER BY (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) ASC NULLS LAST LIMIT 2) AS "derived";

-- exists
SELECT 1 FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) < %s LIMIT 1;

-- values
SELECT "tests_document"."title" AS "title", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- values of an annotation alone
SELECT 1 AS "_", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" LIMIT 2;

-- aggregate
SELECT MIN("derived"."distance") AS "nearest", MAX("derived"."pages") AS "pages" FROM (SELECT "tests_document"."pages" AS "pages", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" AS "tests_document") AS "derived";

-- across a relation
SELECT "tests_chunk"."id" AS "id", "tests_chunk"."document_id" AS "document_id", "tests_chunk"."embedding" AS "embedding", (CASE WHEN "tests_chunk_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_chunk_document"."embedding", %s) END) AS "distance" FROM "tests_chunk" INNER JOIN "tests_document" AS "tests_chunk_document" ON "tests_chunk_document"."id" = "tests_chunk"."document_id" ORDER BY "distance" ASC NULLS LAST;

-- with select_related
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance", "_sr_author"."id" AS "_sr_author_id", "_sr_author"."name" AS "_sr_author_name" FROM "tests_document" LEFT OUTER JOIN "tests_author" AS "_sr_author" ON "_sr_author"."id" = "tests_document"."author_id" ORDER BY "distance" ASC NULLS LAST LIMIT 2;

-- two columns
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL AND "tests_document"."other_vector" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", "tests_document"."other_vector") END) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a subquery as the vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL AND (SELECT "tests_document_sub"."embedding" AS "embedding" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."title" = %s LIMIT 1) IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", (SELECT "tests_document_sub"."embedding" AS "embedding" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."title" = %s LIMIT 1)) END) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- inside exists
SELECT "tests_author"."id", "tests_author"."name" FROM "tests_author" WHERE EXISTS (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" AS "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) < %s AND "tests_document"."author_id" = "tests_author"."id");

-- a slice inside in
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" ORDER BY (CASE WHEN "tests_document_sub"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document_sub"."embedding", %s) END) ASC NULLS LAST LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- union of slices
SELECT * FROM (SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" ASC NULLS LAST LIMIT 1) AS "part" UNION SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) AS "distance" FROM "tests_document" ORDER BY "distance" DESC NULLS LAST LIMIT 1) AS "part") AS "combined";

-- arithmetic
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (%s - (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_document"."embedding", %s) END)) AS "similarity" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- update by a threshold
UPDATE "tests_document" SET "pages" = %s WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) < %s;

-- delete by a threshold
SELECT "tests_document"."id" AS "id" FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) > %s;
SELECT "tests_chunk"."id" AS "id" FROM "tests_chunk" WHERE "tests_chunk"."document_id" IN (%s, %s);
DELETE FROM "tests_document" WHERE (CASE WHEN "tests_document"."embedding" IS NOT NULL THEN vec_distance_l2("tests_document"."embedding", %s) END) > %s;

-- function dimensions
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vec_length("tests_sample"."full") END) AS "value" FROM "tests_sample";

-- function norm
SELECT 1 AS "_", (CASE WHEN "tests_sample"."half" IS NOT NULL THEN vec_distance_l2("tests_sample"."half", zeroblob(length("tests_sample"."half"))) END) AS "value" FROM "tests_sample";

-- function normalize
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN iif(vec_distance_l2("tests_sample"."full", zeroblob(length("tests_sample"."full"))) = 0, "tests_sample"."full", vec_normalize("tests_sample"."full")) END) AS "value" FROM "tests_sample";

-- function subvector
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vec_slice("tests_sample"."full", 1, 3) END) AS "value" FROM "tests_sample";

-- function concatenate
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN CAST("tests_sample"."full" || %s AS BLOB) END) AS "value" FROM "tests_sample";

-- function add
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL AND "tests_sample"."half" IS NOT NULL THEN vec_add("tests_sample"."full", "tests_sample"."half") END) AS "value" FROM "tests_sample";

-- function subtract
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vec_sub("tests_sample"."full", %s) END) AS "value" FROM "tests_sample";

-- function multiply
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN dorm_vector_multiply("tests_sample"."full", %s) END) AS "value" FROM "tests_sample";

-- function binary quantize
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN dorm_vector_binary_quantize("tests_sample"."full") END) AS "value" FROM "tests_sample";

-- function cast
SELECT 1 AS "_", (CASE WHEN "tests_sample"."full" IS NOT NULL THEN dorm_vector_halves("tests_sample"."full") END) AS "value" FROM "tests_sample";

-- function inside a distance
SELECT 1 AS "_", (CASE WHEN (CASE WHEN "tests_sample"."full" IS NOT NULL THEN vec_slice("tests_sample"."full", 0, 2) END) IS NOT NULL THEN vec_distance_l2((CASE WHEN "tests_sample"."full" IS NOT NULL THEN vec_slice("tests_sample"."full", 0, 2) END), %s) END) AS "value" FROM "tests_sample";

-- hybrid search
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", -bm25("article_words") AS "found_value" FROM "tests_article" AS "tests_article" INNER JOIN "article_words" AS "article_words" ON "article_words".rowid = "tests_article".rowid WHERE "tests_article"."pages" = %s AND "article_words" MATCH %s) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place" FROM (SELECT "tests_article"."id" AS "pk", (CASE WHEN "tests_article"."embedding" IS NOT NULL THEN vec_distance_l2("tests_article"."embedding", %s) END) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND ("tests_article"."embedding" IS NOT NULL) ORDER BY "found_value" ASC NULLS LAST, "tests_article"."id" ASC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- hybrid search, weighted
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN ("found_value" - MIN("found_value") OVER ()) / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", -bm25("article_words") AS "found_value" FROM "tests_article" AS "tests_article" INNER JOIN "article_words" AS "article_words" ON "article_words".rowid = "tests_article".rowid WHERE "article_words" MATCH %s) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN (MAX("found_value") OVER () - "found_value") / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT "tests_article"."id" AS "pk", (CASE WHEN "tests_article"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_article"."embedding", %s) END) AS "found_value" FROM "tests_article" AS "tests_article" WHERE ("tests_article"."embedding" IS NOT NULL) ORDER BY "found_value" ASC NULLS LAST, "tests_article"."id" ASC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- text search
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", -bm25("article_words") AS "found_value" FROM "tests_article" AS "tests_article" INNER JOIN "article_words" AS "article_words" ON "article_words".rowid = "tests_article".rowid WHERE "tests_article"."id" IN (SELECT "tests_article"."id" FROM "tests_article" LEFT OUTER JOIN "tests_author" AS "tests_article_author" ON "tests_article_author"."id" = "tests_article"."author_id" WHERE "tests_article_author"."name" = %s) AND "article_words" MATCH %s) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 10) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- average
SELECT dorm_vector_avg("derived"."embedding") AS "mean", dorm_vector_sum(CASE WHEN ("derived"."pages" = %s) THEN "derived"."other" END) AS "few" FROM (SELECT "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other", "tests_document"."pages" AS "pages" FROM "tests_document" AS "tests_document") AS "derived";

-- average over a relation
SELECT "tests_author"."id" AS "id", "tests_author"."name" AS "name", dorm_vector_avg("tests_author_documents"."embedding") AS "mean" FROM "tests_author" LEFT OUTER JOIN "tests_document" AS "tests_author_documents" ON "tests_author_documents"."author_id" = "tests_author"."id" GROUP BY "tests_author"."id";

-- fill a companion
SELECT ltrim(vec_version(), 'v') AS version;
DROP TRIGGER IF EXISTS "shelved_vec0_insert";
DROP TRIGGER IF EXISTS "shelved_vec0_update";
DROP TRIGGER IF EXISTS "shelved_vec0_move";
DROP TRIGGER IF EXISTS "shelved_vec0_delete";
DROP TABLE IF EXISTS "shelved_vec0";
CREATE VIRTUAL TABLE "shelved_vec0" USING vec0(id integer primary key, by_shelf integer partition key, by_pages integer, vector float[12] distance_metric=cosine);
INSERT INTO "shelved_vec0" (id, by_shelf, by_pages, vector) SELECT "id", "shelf", "pages", "embedding" FROM "tests_shelved" WHERE (CASE WHEN "embedding" IS NOT NULL THEN NOT vec_distance_cosine("embedding", "embedding") IS NULL ELSE 0 END);
CREATE TRIGGER "shelved_vec0_insert" AFTER INSERT ON "tests_shelved" BEGIN DELETE FROM "shelved_vec0" WHERE id = new."id"; INSERT INTO "shelved_vec0" (id, by_shelf, by_pages, vector) SELECT new."id", new."shelf", new."pages", new."embedding" WHERE (CASE WHEN new."embedding" IS NOT NULL THEN NOT vec_distance_cosine(new."embedding", new."embedding") IS NULL ELSE 0 END); END;
CREATE TRIGGER "shelved_vec0_update" AFTER UPDATE OF "id", "shelf", "embedding", "pages" ON "tests_shelved" WHEN new."id" IS old."id" AND new."shelf" IS old."shelf" AND (CASE WHEN old."embedding" IS NOT NULL THEN NOT vec_distance_cosine(old."embedding", old."embedding") IS NULL ELSE 0 END) AND (CASE WHEN new."embedding" IS NOT NULL THEN NOT vec_distance_cosine(new."embedding", new."embedding") IS NULL ELSE 0 END) AND (new."embedding" IS NOT old."embedding" OR new."pages" IS NOT old."pages") BEGIN UPDATE "shelved_vec0" SET by_pages = new."pages", vector = new."embedding" WHERE id = new."id"; END;
CREATE TRIGGER "shelved_vec0_move" AFTER UPDATE OF "id", "shelf", "embedding", "pages" ON "tests_shelved" WHEN NOT (new."id" IS old."id" AND new."shelf" IS old."shelf" AND (CASE WHEN old."embedding" IS NOT NULL THEN NOT vec_distance_cosine(old."embedding", old."embedding") IS NULL ELSE 0 END) AND (CASE WHEN new."embedding" IS NOT NULL THEN NOT vec_distance_cosine(new."embedding", new."embedding") IS NULL ELSE 0 END)) BEGIN DELETE FROM "shelved_vec0" WHERE id = old."id"; DELETE FROM "shelved_vec0" WHERE id = new."id"; INSERT INTO "shelved_vec0" (id, by_shelf, by_pages, vector) SELECT new."id", new."shelf", new."pages", new."embedding" WHERE (CASE WHEN new."embedding" IS NOT NULL THEN NOT vec_distance_cosine(new."embedding", new."embedding") IS NULL ELSE 0 END); END;
CREATE TRIGGER "shelved_vec0_delete" AFTER DELETE ON "tests_shelved" BEGIN DELETE FROM "shelved_vec0" WHERE id = old."id"; END;
DROP TRIGGER IF EXISTS "shelved_signs_insert";
DROP TRIGGER IF EXISTS "shelved_signs_update";
DROP TRIGGER IF EXISTS "shelved_signs_move";
DROP TRIGGER IF EXISTS "shelved_signs_delete";
DROP TABLE IF EXISTS "shelved_signs";
CREATE TABLE "shelved_signs" (id integer PRIMARY KEY NOT NULL, by_shelf integer, vector BLOB NOT NULL);
CREATE INDEX "shelved_signs_parts" ON "shelved_signs" (by_shelf, vector);
INSERT INTO "shelved_signs" (id, by_shelf, vector) SELECT "id", "shelf", vec_quantize_binary(CAST("embedding" || zeroblob(16) AS BLOB)) FROM "tests_shelved" WHERE "embedding" IS NOT NULL;
CREATE TRIGGER "shelved_signs_insert" AFTER INSERT ON "tests_shelved" BEGIN DELETE FROM "shelved_signs" WHERE id = new."id"; INSERT INTO "shelved_signs" (id, by_shelf, vector) SELECT new."id", new."shelf", vec_quantize_binary(CAST(new."embedding" || zeroblob(16) AS BLOB)) WHERE new."embedding" IS NOT NULL; END;
CREATE TRIGGER "shelved_signs_update" AFTER UPDATE OF "id", "shelf", "embedding" ON "tests_shelved" WHEN new."id" IS old."id" AND new."shelf" IS old."shelf" AND old."embedding" IS NOT NULL AND new."embedding" IS NOT NULL AND (new."embedding" IS NOT old."embedding") BEGIN UPDATE "shelved_signs" SET vector = vec_quantize_binary(CAST(new."embedding" || zeroblob(16) AS BLOB)) WHERE id = new."id"; END;
CREATE TRIGGER "shelved_signs_move" AFTER UPDATE OF "id", "shelf", "embedding" ON "tests_shelved" WHEN NOT (new."id" IS old."id" AND new."shelf" IS old."shelf" AND old."embedding" IS NOT NULL AND new."embedding" IS NOT NULL) BEGIN DELETE FROM "shelved_signs" WHERE id = old."id"; DELETE FROM "shelved_signs" WHERE id = new."id"; INSERT INTO "shelved_signs" (id, by_shelf, vector) SELECT new."id", new."shelf", vec_quantize_binary(CAST(new."embedding" || zeroblob(16) AS BLOB)) WHERE new."embedding" IS NOT NULL; END;
CREATE TRIGGER "shelved_signs_delete" AFTER DELETE ON "tests_shelved" BEGIN DELETE FROM "shelved_signs" WHERE id = old."id"; END;

-- search a part of a companion
SELECT count(*) AS "parts" FROM sqlite_master WHERE (type = 'table' AND name = %s AND sql = %s) OR (type = 'trigger' AND tbl_name = %s AND name IN (%s, %s, %s, %s));
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."id" IN (SELECT id FROM "shelved_vec0" WHERE vector MATCH %s AND k = 3 AND by_shelf = %s AND by_pages > %s) ORDER BY "distance" ASC NULLS LAST LIMIT 3;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."pages" > %s ORDER BY (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_shelved"."embedding", %s) END) ASC NULLS LAST LIMIT 3;

-- search a companion of signs
SELECT count(*) AS "parts" FROM sqlite_master WHERE (type = 'table' AND name = %s AND sql = %s) OR (type = 'trigger' AND tbl_name = %s AND name IN (%s, %s, %s, %s));
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."id" IN (SELECT id FROM "shelved_signs" WHERE 1 AND by_shelf = %s ORDER BY vec_distance_hamming(vec_bit(vector), vec_quantize_binary(CAST(%s || zeroblob(16) AS BLOB))) LIMIT 120) ORDER BY "distance" ASC NULLS LAST LIMIT 3;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) ORDER BY (CASE WHEN "tests_shelved"."embedding" IS NOT NULL THEN vec_distance_cosine("tests_shelved"."embedding", %s) END) ASC NULLS LAST LIMIT 3;

-- drop a companion
SELECT substr(name, 1, length(name) - 5) AS "name", tbl_name AS "table", 1 AS "valid" FROM sqlite_master WHERE type = 'trigger' AND substr(name, -5) = '_move' AND instr(sql, 'DELETE FROM "' || substr(name, 1, length(name) - 5) || '" WHERE id = old.');
DROP TRIGGER IF EXISTS "shelved_vec0_insert";
DROP TRIGGER IF EXISTS "shelved_vec0_update";
DROP TRIGGER IF EXISTS "shelved_vec0_move";
DROP TRIGGER IF EXISTS "shelved_vec0_delete";
DROP TABLE IF EXISTS "shelved_vec0";
DROP TRIGGER IF EXISTS "shelved_signs_insert";
DROP TRIGGER IF EXISTS "shelved_signs_update";
DROP TRIGGER IF EXISTS "shelved_signs_move";
DROP TRIGGER IF EXISTS "shelved_signs_delete";
DROP TABLE IF EXISTS "shelved_signs";

