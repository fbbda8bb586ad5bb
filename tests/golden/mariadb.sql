-- create tables
CREATE TABLE IF NOT EXISTS "tests_author" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "name" VARCHAR(50) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_document" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "title" VARCHAR(50) NOT NULL, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" BIGINT REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" VECTOR(3), "other_vector" VECTOR(3) );
CREATE TABLE IF NOT EXISTS "tests_chunk" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "document_id" BIGINT NOT NULL REFERENCES "tests_document"("id") ON DELETE CASCADE, "embedding" VECTOR(3) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_package" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "section" VARCHAR(20) NOT NULL, "embedding" VECTOR(16) NOT NULL );
CREATE VECTOR INDEX IF NOT EXISTS "package_embedding_hnsw" ON "tests_package" ("embedding") M=16 DISTANCE=cosine;
CREATE TABLE IF NOT EXISTS "tests_sample" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "title" VARCHAR(50) NOT NULL, "full" VECTOR(3), "half" VECTOR(3), "sparse" VECTOR(3), "bits" VARBINARY(1), "unit" VECTOR(3) );
CREATE TABLE IF NOT EXISTS "tests_note" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "slug" VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL UNIQUE, "body" TEXT, "source" VARCHAR(50), "pages" INTEGER, "price" REAL, "urgent" INTEGER, "written" DATE, "labels" TEXT, "metadata" TEXT, "embedding" VECTOR(6) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_article" ( "id" BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "head" VARCHAR(100) NOT NULL, "body" TEXT, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" BIGINT REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" VECTOR(3) );
ALTER TABLE "tests_article" ADD FULLTEXT INDEX "article_words" ("head", "body"), FORCE;

-- insert
INSERT INTO "tests_document" ("title", "pages", "author_id", "embedding", "other_vector") VALUES (%s, %s, %s, %s, %s);

-- bulk insert
INSERT INTO "tests_document" ("title", "pages", "author_id", "embedding", "other_vector") VALUES (%s, %s, %s, %s, %s), (%s, %s, %s, %s, %s);
SELECT @@auto_increment_increment AS step;

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
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE((CASE JSON_TYPE(JSON_EXTRACT("tests_note"."metadata", %s)) WHEN 'STRING' THEN CAST(JSON_UNQUOTE(JSON_EXTRACT("tests_note"."metadata", %s)) AS BINARY) END) >= CAST(%s AS BINARY), FALSE);

-- a key of JSON, as a number
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(((CASE WHEN JSON_TYPE(JSON_EXTRACT("tests_note"."metadata", %s)) IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') THEN CASE WHEN ABS(JSON_EXTRACT("tests_note"."metadata", %s) + 0e0) < 1e34 AND JSON_EXTRACT("tests_note"."metadata", %s) + 0e0 = FLOOR(JSON_EXTRACT("tests_note"."metadata", %s) + 0e0) THEN CAST(JSON_UNQUOTE(JSON_EXTRACT("tests_note"."metadata", %s)) AS DECIMAL(65)) = %s ELSE JSON_EXTRACT("tests_note"."metadata", %s) + 0e0 = %s END END OR CASE WHEN JSON_TYPE(JSON_EXTRACT("tests_note"."metadata", %s)) IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') THEN CASE WHEN ABS(JSON_EXTRACT("tests_note"."metadata", %s) + 0e0) < 1e34 AND JSON_EXTRACT("tests_note"."metadata", %s) + 0e0 = FLOOR(JSON_EXTRACT("tests_note"."metadata", %s) + 0e0) THEN CAST(JSON_UNQUOTE(JSON_EXTRACT("tests_note"."metadata", %s)) AS DECIMAL(65)) = %s ELSE JSON_EXTRACT("tests_note"."metadata", %s) + 0e0 = %s END END)), FALSE);

-- an array in JSON
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(EXISTS (SELECT 1 FROM JSON_TABLE(CASE JSON_TYPE(JSON_EXTRACT("tests_note"."metadata", %s)) WHEN 'ARRAY' THEN JSON_EXTRACT("tests_note"."metadata", %s) END, '$[*]' COLUMNS ("json" JSON PATH '$')) AS "element" WHERE JSON_TYPE("element"."json") = 'STRING' AND CAST(JSON_UNQUOTE("element"."json") AS BINARY) = CAST(%s AS BINARY)), FALSE);

-- a pattern
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(CONVERT("tests_note"."source" USING utf8mb4) COLLATE utf8mb4_bin LIKE %s ESCAPE '!', FALSE);

-- L2 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" ORDER BY -"distance" DESC LIMIT 2;

-- cosine distance, on an indexed column
SELECT * FROM (SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (VEC_DISTANCE_COSINE("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0) ORDER BY "distance" ASC LIMIT 40) AS "found" ORDER BY "distance" IS NULL, "distance" LIMIT 2;

-- inner product
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (IF(VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", X'000000000000000000000000') * VEC_DISTANCE_EUCLIDEAN(%s, X'000000000000000000000000') > 0, (VEC_DISTANCE_COSINE("tests_document"."embedding", %s) - 1) * VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", X'000000000000000000000000') * VEC_DISTANCE_EUCLIDEAN(%s, X'000000000000000000000000'), VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", X'000000000000000000000000') * VEC_DISTANCE_EUCLIDEAN(%s, X'000000000000000000000000'))) AS "distance" FROM "tests_document" ORDER BY -"distance" DESC LIMIT 2;

-- L1 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (IF(LENGTH("tests_document"."embedding") = LENGTH(%s), (SELECT SUM(ABS(IF(ASCII(SUBSTR("tests_document"."embedding", 4 * q.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR("tests_document"."embedding", 4 * q.i, 1)), 128) = 0 AND ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 1, 1)) < 128, (ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 2, 1)) + 65536 * ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR("tests_document"."embedding", 4 * q.i, 1)), 128) + (ASCII(SUBSTR("tests_document"."embedding", 4 * q.i - 1, 1)) DIV 128) - 150)) - q.y)) FROM (SELECT n.i, IF(ASCII(SUBSTR(p.h, 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR(p.h, 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR(p.h, 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR(p.h, 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR(p.h, 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR(p.h, 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR(p.h, 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR(p.h, 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR(p.h, 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR(p.h, 4 * n.i, 1)), 128) + (ASCII(SUBSTR(p.h, 4 * n.i - 1, 1)) DIV 128) - 150)) AS y FROM (SELECT %s AS h) p, JSON_TABLE(CONCAT('[0', REPEAT(',0', 3 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n LIMIT 3) q), NULL)) AS "distance" FROM "tests_document" ORDER BY -"distance" DESC;

-- descending
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" ORDER BY "distance" DESC LIMIT 2;

-- an expression in order_by
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" ORDER BY -(VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) DESC LIMIT 2;

-- nearest
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) ORDER BY -"distance" DESC LIMIT 2;

-- nearest, on an indexed column
SELECT * FROM (SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (VEC_DISTANCE_COSINE("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0) ORDER BY "distance" ASC LIMIT 40) AS "found" ORDER BY "distance" IS NULL, "distance" LIMIT 0;

-- nearest, filtered
SELECT * FROM (SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (VEC_DISTANCE_COSINE("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" WHERE "tests_package"."section" = %s AND (VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0) ORDER BY "distance" ASC LIMIT 40) AS "found" ORDER BY "distance" IS NULL, "distance" LIMIT 0;

-- nearest, more rows than an index finds by itself
SET STATEMENT mhnsw_ef_search = GREATEST(@@mhnsw_ef_search, 100) FOR SELECT * FROM (SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (VEC_DISTANCE_COSINE("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0) ORDER BY "distance" ASC LIMIT 100) AS "found" ORDER BY "distance" IS NULL, "distance" LIMIT 0 OFFSET 100;

-- nearest, where the index finds fewer rows than it should
SELECT * FROM (SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (VEC_DISTANCE_COSINE("tests_package"."embedding", %s)) AS "distance" FROM "tests_package" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0) ORDER BY "distance" ASC LIMIT 40) AS "found" ORDER BY "distance" IS NULL, "distance" LIMIT 2;
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_package"."embedding", %s) END) AS "distance" FROM "tests_package" ORDER BY -(CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_package"."embedding", X'00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_package"."embedding", %s) END) DESC LIMIT 2;

-- nearest, within a distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND ((VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) <= %s) ORDER BY -"distance" DESC;

-- nearest to a row
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND NOT ("tests_document"."id" = %s) ORDER BY -(VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) DESC LIMIT 2;

-- nearest, inside another query
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."pages" = %s AND ("tests_document_sub"."embedding" IS NOT NULL) ORDER BY -(VEC_DISTANCE_EUCLIDEAN("tests_document_sub"."embedding", %s)) DESC LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- a similarity
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (%s - (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", X'000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_document"."embedding", %s) END)) AS "similarity" FROM "tests_document" ORDER BY -(CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", X'000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_document"."embedding", %s) END) DESC LIMIT 2;

-- no query vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", CAST(NULL AS DOUBLE) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a threshold
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) < %s AND "tests_document"."pages" >= %s ORDER BY -"distance" DESC;

-- a threshold in Q, negated
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" WHERE ((NOT ((VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) < %s)) OR (("tests_document"."title" = %s))) ORDER BY "tests_document"."id" ASC;

-- count by a threshold
SELECT COUNT(*) AS "count" FROM "tests_document" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) < %s;

-- count a slice
SELECT COUNT(*) AS "count" FROM (SELECT "tests_document"."id" AS "pk" FROM "tests_document" AS "tests_document" ORDER BY -(VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) DESC LIMIT 2) AS "derived";

-- exists
SELECT 1 FROM "tests_document" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) < %s LIMIT 1;

-- values
SELECT "tests_document"."title" AS "title", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" ORDER BY -"distance" DESC LIMIT 2;

-- values of an annotation alone
SELECT 1 AS "_", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" LIMIT 2;

-- aggregate
SELECT MIN("derived"."distance") AS "nearest", MAX("derived"."pages") AS "pages" FROM (SELECT "tests_document"."pages" AS "pages", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" AS "tests_document") AS "derived";

-- across a relation
SELECT "tests_chunk"."id" AS "id", "tests_chunk"."document_id" AS "document_id", "tests_chunk"."embedding" AS "embedding", (VEC_DISTANCE_EUCLIDEAN("tests_chunk_document"."embedding", %s)) AS "distance" FROM "tests_chunk" INNER JOIN "tests_document" AS "tests_chunk_document" ON "tests_chunk_document"."id" = "tests_chunk"."document_id" ORDER BY -"distance" DESC;

-- with select_related
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance", "_sr_author"."id" AS "_sr_author_id", "_sr_author"."name" AS "_sr_author_name" FROM "tests_document" LEFT OUTER JOIN "tests_author" AS "_sr_author" ON "_sr_author"."id" = "tests_document"."author_id" ORDER BY -"distance" DESC LIMIT 2;

-- two columns
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", "tests_document"."other_vector")) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a subquery as the vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", (SELECT "tests_document_sub"."embedding" AS "embedding" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."title" = %s LIMIT 1))) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- inside exists
SELECT "tests_author"."id", "tests_author"."name" FROM "tests_author" WHERE EXISTS (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" AS "tests_document" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) < %s AND "tests_document"."author_id" = "tests_author"."id");

-- a slice inside in
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" ORDER BY -(VEC_DISTANCE_EUCLIDEAN("tests_document_sub"."embedding", %s)) DESC LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- union of slices
SELECT * FROM (SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" ORDER BY -"distance" DESC LIMIT 1) AS "part" UNION SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) AS "distance" FROM "tests_document" ORDER BY "distance" DESC LIMIT 1) AS "part") AS "combined";

-- arithmetic
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", (%s - (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", X'000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_document"."embedding", %s) END)) AS "similarity" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- update by a threshold
UPDATE "tests_document" SET "pages" = %s WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) < %s;

-- delete by a threshold
SELECT "tests_document"."id" AS "id" FROM "tests_document" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) > %s;
SELECT "tests_chunk"."id" AS "id" FROM "tests_chunk" WHERE "tests_chunk"."document_id" IN (%s, %s);
DELETE FROM "tests_document" WHERE (VEC_DISTANCE_EUCLIDEAN("tests_document"."embedding", %s)) > %s;

-- function dimensions
SELECT 1 AS "_", (LENGTH("tests_sample"."full") DIV 4) AS "value" FROM "tests_sample";

-- function norm
SELECT 1 AS "_", (VEC_DISTANCE_EUCLIDEAN("tests_sample"."half", REPEAT(X'00', LENGTH("tests_sample"."half")))) AS "value" FROM "tests_sample";

-- function normalize
SELECT 1 AS "_", (IF(VEC_DISTANCE_EUCLIDEAN("tests_sample"."full", REPEAT(X'00', LENGTH("tests_sample"."full"))) = 0, "tests_sample"."full", VEC_FromText((SELECT CONCAT('[', GROUP_CONCAT(IF(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) + (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) DIV 128) - 150)) / VEC_DISTANCE_EUCLIDEAN("tests_sample"."full", REPEAT(X'00', LENGTH("tests_sample"."full"))) ORDER BY n.i), ']') FROM JSON_TABLE(CONCAT('[0', REPEAT(',0', 3 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n)))) AS "value" FROM "tests_sample";

-- function subvector
SELECT 1 AS "_", (SUBSTR("tests_sample"."full", 4 * 1 + 1, 4 * 2)) AS "value" FROM "tests_sample";

-- function concatenate
SELECT 1 AS "_", (CONCAT("tests_sample"."full", %s)) AS "value" FROM "tests_sample";

-- function add
SELECT 1 AS "_", (VEC_FromText((SELECT CONCAT('[', GROUP_CONCAT(IF(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) + (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) DIV 128) - 150)) + IF(ASCII(SUBSTR("tests_sample"."half", 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR("tests_sample"."half", 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR("tests_sample"."half", 4 * n.i, 1)), 128) + (ASCII(SUBSTR("tests_sample"."half", 4 * n.i - 1, 1)) DIV 128) - 150)) ORDER BY n.i), ']') FROM JSON_TABLE(CONCAT('[0', REPEAT(',0', 3 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n))) AS "value" FROM "tests_sample";

-- function subtract
SELECT 1 AS "_", (VEC_FromText((SELECT CONCAT('[', GROUP_CONCAT(IF(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) + (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) DIV 128) - 150)) - IF(ASCII(SUBSTR(%s, 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR(%s, 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR(%s, 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR(%s, 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR(%s, 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR(%s, 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR(%s, 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR(%s, 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR(%s, 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR(%s, 4 * n.i, 1)), 128) + (ASCII(SUBSTR(%s, 4 * n.i - 1, 1)) DIV 128) - 150)) ORDER BY n.i), ']') FROM JSON_TABLE(CONCAT('[0', REPEAT(',0', 3 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n))) AS "value" FROM "tests_sample";

-- function multiply
SELECT 1 AS "_", (VEC_FromText((SELECT CONCAT('[', GROUP_CONCAT(IF(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR("tests_sample"."full", 4 * n.i, 1)), 128) + (ASCII(SUBSTR("tests_sample"."full", 4 * n.i - 1, 1)) DIV 128) - 150)) * IF(ASCII(SUBSTR(%s, 4 * n.i, 1)) < 128, 1, -1) * IF(MOD(ASCII(SUBSTR(%s, 4 * n.i, 1)), 128) = 0 AND ASCII(SUBSTR(%s, 4 * n.i - 1, 1)) < 128, (ASCII(SUBSTR(%s, 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR(%s, 4 * n.i - 2, 1)) + 65536 * ASCII(SUBSTR(%s, 4 * n.i - 1, 1))) * POW(2, -149), (ASCII(SUBSTR(%s, 4 * n.i - 3, 1)) + 256 * ASCII(SUBSTR(%s, 4 * n.i - 2, 1)) + 65536 * (MOD(ASCII(SUBSTR(%s, 4 * n.i - 1, 1)), 128) + 128)) * POW(2, 2 * MOD(ASCII(SUBSTR(%s, 4 * n.i, 1)), 128) + (ASCII(SUBSTR(%s, 4 * n.i - 1, 1)) DIV 128) - 150)) ORDER BY n.i), ']') FROM JSON_TABLE(CONCAT('[0', REPEAT(',0', 3 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n))) AS "value" FROM "tests_sample";

-- function binary quantize
SELECT 1 AS "_", (IF("tests_sample"."full" IS NULL, NULL, (SELECT GROUP_CONCAT(CHAR(128 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 28, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 31, 4) > X'00000000') + 64 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 24, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 27, 4) > X'00000000') + 32 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 20, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 23, 4) > X'00000000') + 16 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 16, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 19, 4) > X'00000000') + 8 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 12, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 15, 4) > X'00000000') + 4 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 8, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 11, 4) > X'00000000') + 2 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 4, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 7, 4) > X'00000000') + 1 * (ASCII(SUBSTR("tests_sample"."full", 32 * n.i - 0, 1)) < 128 AND SUBSTR("tests_sample"."full", 32 * n.i - 3, 4) > X'00000000')) ORDER BY n.i SEPARATOR '') FROM JSON_TABLE(CONCAT('[0', REPEAT(',0', 1 - 1), ']'), '$[*]' COLUMNS (i FOR ORDINALITY)) n))) AS "value" FROM "tests_sample";

-- function cast

-- function inside a distance
SELECT 1 AS "_", (VEC_DISTANCE_EUCLIDEAN((SUBSTR("tests_sample"."full", 4 * 0 + 1, 4 * 2)), %s)) AS "value" FROM "tests_sample";

-- hybrid search
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", MATCH ("tests_article"."head", "tests_article"."body") AGAINST (%s IN NATURAL LANGUAGE MODE) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND MATCH ("tests_article"."head", "tests_article"."body") AGAINST (%s IN NATURAL LANGUAGE MODE)) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place" FROM (SELECT "tests_article"."id" AS "pk", (VEC_DISTANCE_EUCLIDEAN("tests_article"."embedding", %s)) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND ("tests_article"."embedding" IS NOT NULL) ORDER BY -(VEC_DISTANCE_EUCLIDEAN("tests_article"."embedding", %s)) DESC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC, "tests_article"."id" ASC LIMIT 10;

-- hybrid search, weighted
SET STATEMENT mhnsw_ef_search = GREATEST(@@mhnsw_ef_search, 50) FOR WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN ("found_value" - MIN("found_value") OVER ()) / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", MATCH ("tests_article"."head", "tests_article"."body") AGAINST (%s IN NATURAL LANGUAGE MODE) AS "found_value" FROM "tests_article" AS "tests_article" WHERE MATCH ("tests_article"."head", "tests_article"."body") AGAINST (%s IN NATURAL LANGUAGE MODE)) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN (MAX("found_value") OVER () - "found_value") / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT "tests_article"."id" AS "pk", (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_article"."embedding", X'000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_article"."embedding", %s) END) AS "found_value" FROM "tests_article" AS "tests_article" WHERE ("tests_article"."embedding" IS NOT NULL) ORDER BY -"found_value" DESC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC, "tests_article"."id" ASC LIMIT 10;

-- text search
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", MATCH ("tests_article"."head", "tests_article"."body") AGAINST (%s IN NATURAL LANGUAGE MODE) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."id" IN (SELECT "tests_article"."id" FROM "tests_article" LEFT OUTER JOIN "tests_author" AS "tests_article_author" ON "tests_article_author"."id" = "tests_article"."author_id" WHERE "tests_article_author"."name" = %s) AND MATCH ("tests_article"."head", "tests_article"."body") AGAINST (%s IN NATURAL LANGUAGE MODE)) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 10) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", "tests_article"."embedding" AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC, "tests_article"."id" ASC LIMIT 10;

-- average

-- average over a relation

-- fill a companion
SELECT VERSION() AS version;

-- search a part of a companion
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_shelved"."embedding", X'000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."pages" > %s ORDER BY -"distance" DESC LIMIT 3;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_shelved"."embedding", X'000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."pages" > %s ORDER BY -(CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_shelved"."embedding", X'000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_shelved"."embedding", %s) END) DESC LIMIT 3;

-- search a companion of signs
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_shelved"."embedding", X'000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) ORDER BY -"distance" DESC LIMIT 3;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_shelved"."embedding", X'000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_shelved"."embedding", %s) END) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) ORDER BY -(CASE WHEN VEC_DISTANCE_EUCLIDEAN("tests_shelved"."embedding", X'000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000') > 0 THEN VEC_DISTANCE_COSINE("tests_shelved"."embedding", %s) END) DESC LIMIT 3;

-- drop a companion

