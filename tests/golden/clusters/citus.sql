-- create tables
DO $$ BEGIN IF EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN RETURN; END IF; IF 'public' = ANY (current_schemas(false)) AND has_schema_privilege('public', 'CREATE') THEN CREATE EXTENSION vector SCHEMA public; ELSE CREATE EXTENSION vector; END IF; END $$;
CREATE TABLE IF NOT EXISTS "tests_author" ( "id" BIGSERIAL PRIMARY KEY, "name" VARCHAR(50) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_document" ( "id" BIGSERIAL PRIMARY KEY, "title" VARCHAR(50) NOT NULL, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" BIGINT REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" vector(3), "other_vector" vector(3) );
CREATE TABLE IF NOT EXISTS "tests_chunk" ( "id" BIGSERIAL PRIMARY KEY, "document_id" BIGINT NOT NULL REFERENCES "tests_document"("id") ON DELETE CASCADE, "embedding" vector(3) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_package" ( "id" BIGSERIAL PRIMARY KEY, "section" VARCHAR(20) NOT NULL, "embedding" vector(16) NOT NULL );
CREATE INDEX IF NOT EXISTS "package_embedding_hnsw" ON "tests_package" USING hnsw ("embedding" vector_cosine_ops) WITH (m = 16, ef_construction = 64);
CREATE TABLE IF NOT EXISTS "tests_sample" ( "id" BIGSERIAL PRIMARY KEY, "title" VARCHAR(50) NOT NULL, "full" vector(3), "half" halfvec(3), "sparse" sparsevec(3), "bits" bit(3), "unit" vector(3) );
CREATE TABLE IF NOT EXISTS "tests_note" ( "id" BIGSERIAL PRIMARY KEY, "slug" VARCHAR(255) NOT NULL UNIQUE, "body" TEXT, "source" VARCHAR(50), "pages" INTEGER, "price" DOUBLE PRECISION, "urgent" BOOLEAN, "written" DATE, "labels" JSONB, "metadata" JSONB, "embedding" vector(6) NOT NULL );
CREATE TABLE IF NOT EXISTS "tests_article" ( "id" BIGSERIAL PRIMARY KEY, "head" VARCHAR(100) NOT NULL, "body" TEXT, "pages" INTEGER NOT NULL DEFAULT 1, "author_id" BIGINT REFERENCES "tests_author"("id") ON DELETE CASCADE, "embedding" vector(3) );
CREATE INDEX IF NOT EXISTS "article_words" ON "tests_article" USING gin (to_tsvector('english', coalesce("head", '') || ' ' || coalesce("body", '')));
SELECT create_reference_table('"tests_author"');
SELECT create_reference_table('"tests_document"');
SELECT create_distributed_table('"tests_chunk"', 'id');
SELECT create_distributed_table('"tests_package"', 'id');
SELECT create_distributed_table('"tests_sample"', 'id');
SELECT create_reference_table('"tests_note"');
SELECT create_distributed_table('"tests_article"', 'id');

-- insert
INSERT INTO "tests_document" ("title", "pages", "author_id", "embedding", "other_vector") VALUES ($1, $2, $3, $4, $5);

-- bulk insert
INSERT INTO "tests_document" ("title", "pages", "author_id", "embedding", "other_vector") VALUES (%s, %s, %s, %s, %s), (%s, %s, %s, %s, %s);

-- read
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC;

-- update a row
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
SELECT column_to_column_name(logicalrelid, partkey) AS name FROM pg_dist_partition WHERE logicalrelid = to_regclass(quote_ident(%s)) AND partkey IS NOT NULL;
UPDATE "tests_document" SET "title" = $1, "pages" = $2, "author_id" = $3, "embedding" = $4, "other_vector" = $5 WHERE "id" = $6;

-- update a row whose vector was deferred
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
UPDATE "tests_document" SET "title" = $1, "pages" = $2, "author_id" = $3, "embedding" = "tests_document"."embedding", "other_vector" = $4 WHERE "id" = $5;

-- update by filter
UPDATE "tests_document" SET "embedding" = %s WHERE "tests_document"."title" = %s;

-- bulk update
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
UPDATE "tests_document" SET "embedding" = CASE WHEN "id" = $1 THEN $2 ELSE "embedding" END WHERE "id" IN ($3);

-- look up a vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector" FROM "tests_document" WHERE ("tests_document"."embedding" = %s::vector) ORDER BY "tests_document"."id" ASC;

-- a key of JSON, as text
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE((CASE WHEN jsonb_typeof((CASE WHEN pg_typeof("tests_note"."metadata") = 'jsonb'::regtype THEN "tests_note"."metadata" WHEN ("tests_note"."metadata")::text !~ '(?<!\\)(\\\\)*\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]' THEN "tests_note"."metadata" END -> %s::text)::jsonb) = 'string' THEN CASE WHEN pg_typeof("tests_note"."metadata") = 'jsonb'::regtype THEN "tests_note"."metadata" WHEN ("tests_note"."metadata")::text !~ '(?<!\\)(\\\\)*\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]' THEN "tests_note"."metadata" END ->> %s::text END COLLATE "C") >= %s, FALSE);

-- a key of JSON, as a number
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(((CASE WHEN jsonb_typeof((CASE WHEN pg_typeof("tests_note"."metadata") = 'jsonb'::regtype THEN "tests_note"."metadata" WHEN ("tests_note"."metadata")::text !~ '(?<!\\)(\\\\)*\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]' THEN "tests_note"."metadata" END -> %s::text)::jsonb) = 'number' THEN LEAST(GREATEST(((CASE WHEN pg_typeof("tests_note"."metadata") = 'jsonb'::regtype THEN "tests_note"."metadata" WHEN ("tests_note"."metadata")::text !~ '(?<!\\)(\\\\)*\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]' THEN "tests_note"."metadata" END -> %s::text)::jsonb)::numeric, -1.7976931348623157e308), 1.7976931348623157e308) END) IN (%s, %s)), FALSE);

-- an array in JSON
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(CASE WHEN jsonb_typeof((CASE WHEN pg_typeof("tests_note"."metadata") = 'jsonb'::regtype THEN "tests_note"."metadata" WHEN ("tests_note"."metadata")::text !~ '(?<!\\)(\\\\)*\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]' THEN "tests_note"."metadata" END -> %s::text)::jsonb) = 'array' THEN (CASE WHEN pg_typeof("tests_note"."metadata") = 'jsonb'::regtype THEN "tests_note"."metadata" WHEN ("tests_note"."metadata")::text !~ '(?<!\\)(\\\\)*\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])|[0-9][eE][-+]?[1-9][0-9][0-9][0-9][0-9]' THEN "tests_note"."metadata" END -> %s::text)::jsonb END @> to_jsonb(%s::text), FALSE);

-- a pattern
SELECT COUNT(*) AS "count" FROM "tests_note" WHERE COALESCE(("tests_note"."source")::text LIKE %s ESCAPE '!', FALSE);

-- L2 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" ASC LIMIT 2;

-- cosine distance, on an indexed column
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (NULLIF("tests_package"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_package" ORDER BY ("tests_package"."embedding" <=> %s::vector) ASC LIMIT 2;

-- inner product
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", ("tests_document"."embedding" <#> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" ASC LIMIT 2;

-- L1 distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <+> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" ASC;

-- descending
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" DESC NULLS LAST LIMIT 2;

-- an expression in order_by
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" ORDER BY ("tests_document"."embedding" <-> %s::vector) ASC LIMIT 2;

-- nearest
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) ORDER BY "distance" ASC LIMIT 2;

-- nearest, on an indexed column
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (NULLIF("tests_package"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_package" ORDER BY ("tests_package"."embedding" <=> %s::vector) ASC LIMIT 0;

-- nearest, filtered
SELECT extversion AS version, CASE WHEN to_regtype('vector') IS NULL THEN extnamespace::regnamespace::text END AS hidden_in FROM pg_extension WHERE extname = 'vector';
DO $set$ DECLARE before text := current_setting('citus.propagate_set_commands'); BEGIN SET LOCAL citus.propagate_set_commands = 'local'; EXECUTE concat_ws('; ', coalesce('SET LOCAL plan_cache_mode = ' || quote_literal('force_custom_plan'), 'SET LOCAL plan_cache_mode TO DEFAULT'), coalesce('SET LOCAL hnsw.iterative_scan = ' || quote_literal('relaxed_order'), 'SET LOCAL hnsw.iterative_scan TO DEFAULT'), coalesce('SET LOCAL ivfflat.iterative_scan = ' || quote_literal('relaxed_order'), 'SET LOCAL ivfflat.iterative_scan TO DEFAULT')); PERFORM set_config('citus.propagate_set_commands', before, true); END $set$;
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (NULLIF("tests_package"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_package" WHERE "tests_package"."section" = %s ORDER BY ("tests_package"."embedding" <=> %s::vector) ASC LIMIT 0;

-- nearest, more rows than an index finds by itself
DO $set$ DECLARE before text := current_setting('citus.propagate_set_commands'); BEGIN SET LOCAL citus.propagate_set_commands = 'local'; EXECUTE concat_ws('; ', coalesce('SET LOCAL hnsw.ef_search = ' || quote_literal(greatest(nullif(current_setting('hnsw.ef_search', true), '')::int, 100)::text), 'SET LOCAL hnsw.ef_search TO DEFAULT')); PERFORM set_config('citus.propagate_set_commands', before, true); END $set$;
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (NULLIF("tests_package"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_package" ORDER BY ("tests_package"."embedding" <=> %s::vector) ASC LIMIT 0 OFFSET 100;

-- nearest, where the index finds fewer rows than it should
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (NULLIF("tests_package"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_package" ORDER BY ("tests_package"."embedding" <=> %s::vector) ASC LIMIT 2;
SELECT "tests_package"."id" AS "id", "tests_package"."section" AS "section", "tests_package"."embedding" AS "embedding", (NULLIF("tests_package"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_package" ORDER BY ("tests_package"."embedding" <=> %s::vector) + 0 ASC LIMIT 2;

-- nearest, within a distance
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND (("tests_document"."embedding" <-> %s::vector) <= %s) ORDER BY "distance" ASC;

-- nearest to a row
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" WHERE "tests_document"."title" = %s ORDER BY "tests_document"."id" ASC LIMIT 2;
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" IS NOT NULL) AND NOT ("tests_document"."id" = %s) ORDER BY ("tests_document"."embedding" <-> %s::vector) + 0 ASC LIMIT 2;

-- nearest, inside another query
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."pages" = %s AND ("tests_document_sub"."embedding" IS NOT NULL) ORDER BY ("tests_document_sub"."embedding" <-> %s::vector) + 0 ASC LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- a similarity
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", (%s - (NULLIF("tests_document"."embedding" <=> %s::vector, 'NaN'))) AS "similarity" FROM "tests_document" ORDER BY ("tests_document"."embedding" <=> %s::vector) ASC LIMIT 2;

-- no query vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", CAST(NULL AS DOUBLE PRECISION) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a threshold
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" WHERE ("tests_document"."embedding" <-> %s::vector) < %s AND "tests_document"."pages" >= %s ORDER BY "distance" ASC;

-- a threshold in Q, negated
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" WHERE ((NOT (("tests_document"."embedding" <-> %s::vector) < %s)) OR (("tests_document"."title" = %s))) ORDER BY "tests_document"."id" ASC;

-- count by a threshold
SELECT COUNT(*) AS "count" FROM "tests_document" WHERE ("tests_document"."embedding" <-> %s::vector) < %s;

-- count a slice
SELECT COUNT(*) AS "count" FROM (SELECT "tests_document"."id" AS "pk" FROM "tests_document" AS "tests_document" ORDER BY ("tests_document"."embedding" <-> $1::vector) ASC LIMIT 2) AS "derived";

-- exists
SELECT 1 FROM "tests_document" WHERE ("tests_document"."embedding" <-> %s::vector) < %s LIMIT 1;

-- values
SELECT "tests_document"."title" AS "title", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" ASC LIMIT 2;

-- values of an annotation alone
SELECT 1 AS "_", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" LIMIT 2;

-- aggregate
SELECT MIN("derived"."distance") AS "nearest", MAX("derived"."pages") AS "pages" FROM (SELECT "tests_document"."pages" AS "pages", ("tests_document"."embedding" <-> $1::vector) AS "distance" FROM "tests_document" AS "tests_document") AS "derived";

-- across a relation
SELECT "tests_chunk"."id" AS "id", "tests_chunk"."document_id" AS "document_id", vector_send("tests_chunk"."embedding") AS "embedding", ("tests_chunk_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_chunk" INNER JOIN "tests_document" AS "tests_chunk_document" ON "tests_chunk_document"."id" = "tests_chunk"."document_id" ORDER BY "distance" ASC;

-- with select_related
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance", "_sr_author"."id" AS "_sr_author_id", "_sr_author"."name" AS "_sr_author_name" FROM "tests_document" LEFT OUTER JOIN "tests_author" AS "_sr_author" ON "_sr_author"."id" = "tests_document"."author_id" ORDER BY "distance" ASC LIMIT 2;

-- two columns
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> "tests_document"."other_vector") AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- a subquery as the vector
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> (SELECT "tests_document_sub"."embedding" AS "embedding" FROM "tests_document" AS "tests_document_sub" WHERE "tests_document_sub"."title" = %s LIMIT 1)) AS "distance" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- inside exists
SELECT "tests_author"."id", "tests_author"."name" FROM "tests_author" WHERE EXISTS (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other_vector" FROM "tests_document" AS "tests_document" WHERE ("tests_document"."embedding" <-> $1::vector) < $2 AND "tests_document"."author_id" = "tests_author"."id");

-- a slice inside in
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector" FROM "tests_document" WHERE "tests_document"."id" IN (SELECT * FROM (SELECT "tests_document_sub"."id" AS "pk" FROM "tests_document" AS "tests_document_sub" ORDER BY ("tests_document_sub"."embedding" <-> %s::vector) ASC LIMIT 2) AS "chosen") ORDER BY "tests_document"."id" ASC;

-- union of slices
SELECT * FROM (SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" ASC LIMIT 1) AS "part" UNION SELECT * FROM (SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", ("tests_document"."embedding" <-> %s::vector) AS "distance" FROM "tests_document" ORDER BY "distance" DESC NULLS LAST LIMIT 1) AS "part") AS "combined";

-- arithmetic
SELECT "tests_document"."id" AS "id", "tests_document"."title" AS "title", "tests_document"."pages" AS "pages", "tests_document"."author_id" AS "author_id", vector_send("tests_document"."embedding") AS "embedding", vector_send("tests_document"."other_vector") AS "other_vector", (%s - (NULLIF("tests_document"."embedding" <=> %s::vector, 'NaN'))) AS "similarity" FROM "tests_document" ORDER BY "tests_document"."id" ASC;

-- update by a threshold
UPDATE "tests_document" SET "pages" = %s WHERE ("tests_document"."embedding" <-> %s::vector) < %s;

-- delete by a threshold
SELECT "tests_document"."id" AS "id" FROM "tests_document" WHERE ("tests_document"."embedding" <-> %s::vector) > %s;
SELECT "tests_chunk"."id" AS "id" FROM "tests_chunk" WHERE "tests_chunk"."document_id" = ANY(%s);
DELETE FROM "tests_document" WHERE ("tests_document"."embedding" <-> %s::vector) > %s;

-- function dimensions
SELECT 1 AS "_", (vector_dims("tests_sample"."full")) AS "value" FROM "tests_sample";

-- function norm
SELECT 1 AS "_", (vector_norm("tests_sample"."half"::vector)) AS "value" FROM "tests_sample";

-- function normalize
SELECT 1 AS "_", vector_send((l2_normalize("tests_sample"."full"))) AS "value" FROM "tests_sample";

-- function subvector
SELECT 1 AS "_", vector_send((subvector("tests_sample"."full", 2, 2)::vector(2))) AS "value" FROM "tests_sample";

-- function concatenate
SELECT 1 AS "_", vector_send(("tests_sample"."full" || %s::vector)) AS "value" FROM "tests_sample";

-- function add
SELECT 1 AS "_", vector_send(("tests_sample"."full" + "tests_sample"."half"::vector)) AS "value" FROM "tests_sample";

-- function subtract
SELECT 1 AS "_", vector_send(("tests_sample"."full" - %s::vector)) AS "value" FROM "tests_sample";

-- function multiply
SELECT 1 AS "_", vector_send(("tests_sample"."full" * %s::vector)) AS "value" FROM "tests_sample";

-- function binary quantize
SELECT 1 AS "_", bit_send((binary_quantize("tests_sample"."full")::bit(3))) AS "value" FROM "tests_sample";

-- function cast
SELECT 1 AS "_", halfvec_send(("tests_sample"."full"::halfvec(3))) AS "value" FROM "tests_sample";

-- function inside a distance
SELECT 1 AS "_", ((subvector("tests_sample"."full", 1, 2)::vector(2)) <-> %s::vector) AS "value" FROM "tests_sample";

-- hybrid search
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", ts_rank(to_tsvector('english', coalesce("tests_article"."head", '') || ' ' || coalesce("tests_article"."body", '')), replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery, 1)::float8 AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND to_tsvector('english', coalesce("tests_article"."head", '') || ' ' || coalesce("tests_article"."body", '')) @@ replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place" FROM (SELECT "tests_article"."id" AS "pk", ("tests_article"."embedding" <-> %s::vector) AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."pages" = %s AND ("tests_article"."embedding" IS NOT NULL) ORDER BY ("tests_article"."embedding" <-> %s::vector) + 0 ASC, "tests_article"."id" ASC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", vector_send("tests_article"."embedding") AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- hybrid search, weighted
DO $set$ DECLARE before text := current_setting('citus.propagate_set_commands'); BEGIN SET LOCAL citus.propagate_set_commands = 'local'; EXECUTE concat_ws('; ', coalesce('SET LOCAL hnsw.ef_search = ' || quote_literal(greatest(nullif(current_setting('hnsw.ef_search', true), '')::int, 50)::text), 'SET LOCAL hnsw.ef_search TO DEFAULT')); PERFORM set_config('citus.propagate_set_commands', before, true); END $set$;
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN ("found_value" - MIN("found_value") OVER ()) / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", ts_rank(to_tsvector('english', coalesce("tests_article"."head", '') || ' ' || coalesce("tests_article"."body", '')), replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery, 1)::float8 AS "found_value" FROM "tests_article" AS "tests_article" WHERE to_tsvector('english', coalesce("tests_article"."head", '') || ' ' || coalesce("tests_article"."body", '')) @@ replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked" UNION ALL SELECT "pk", NULL AS "text_rank", NULL AS "text_score", "place" AS "vector_rank", "found_value" AS "vector_distance", %s * "nearness" AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" ASC, "pk") AS "place", CASE WHEN MAX("found_value") OVER () > MIN("found_value") OVER () THEN (MAX("found_value") OVER () - "found_value") / (MAX("found_value") OVER () - MIN("found_value") OVER ()) ELSE 1 END AS "nearness" FROM (SELECT "tests_article"."id" AS "pk", (NULLIF("tests_article"."embedding" <=> %s::vector, 'NaN')) AS "found_value" FROM "tests_article" AS "tests_article" WHERE ("tests_article"."embedding" IS NOT NULL) ORDER BY ("tests_article"."embedding" <=> %s::vector) ASC, "tests_article"."id" ASC LIMIT 50) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", vector_send("tests_article"."embedding") AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- text search
WITH "fused" AS (SELECT "pk", MAX("text_rank") AS "text_rank", MAX("text_score") AS "text_score", MAX("vector_rank") AS "vector_rank", MAX("vector_distance") AS "vector_distance", SUM("score") AS "score" FROM (SELECT "pk", "place" AS "text_rank", "found_value" AS "text_score", NULL AS "vector_rank", NULL AS "vector_distance", %s / (60 + "place") AS "score" FROM (SELECT "pk", "found_value", ROW_NUMBER() OVER (ORDER BY "found_value" DESC, "pk") AS "place" FROM (SELECT * FROM (SELECT "tests_article"."id" AS "pk", ts_rank(to_tsvector('english', coalesce("tests_article"."head", '') || ' ' || coalesce("tests_article"."body", '')), replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery, 1)::float8 AS "found_value" FROM "tests_article" AS "tests_article" WHERE "tests_article"."id" IN (SELECT "tests_article"."id" FROM "tests_article" LEFT OUTER JOIN "tests_author" AS "tests_article_author" ON "tests_article_author"."id" = "tests_article"."author_id" WHERE "tests_article_author"."name" = %s) AND to_tsvector('english', coalesce("tests_article"."head", '') || ' ' || coalesce("tests_article"."body", '')) @@ replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery) AS "matched" ORDER BY "found_value" DESC, "pk" LIMIT 10) AS "found" WHERE "found_value" IS NOT NULL) AS "ranked") AS "branches" GROUP BY "pk") SELECT "tests_article"."id" AS "id", "tests_article"."head" AS "head", "tests_article"."body" AS "body", "tests_article"."pages" AS "pages", "tests_article"."author_id" AS "author_id", vector_send("tests_article"."embedding") AS "embedding", "fused"."text_rank" AS "text_rank", "fused"."text_score" AS "text_score", "fused"."vector_rank" AS "vector_rank", "fused"."vector_distance" AS "vector_distance", "fused"."score" AS "score" FROM "tests_article" INNER JOIN "fused" AS "fused" ON "fused"."pk" = "tests_article"."id" ORDER BY "score" DESC NULLS LAST, "tests_article"."id" ASC LIMIT 10;

-- average
SELECT vector_send(AVG("derived"."embedding")) AS "mean", vector_send(SUM(CASE WHEN ("derived"."pages" = $1) THEN "derived"."other" END)) AS "few" FROM (SELECT "tests_document"."embedding" AS "embedding", "tests_document"."other_vector" AS "other", "tests_document"."pages" AS "pages" FROM "tests_document" AS "tests_document") AS "derived";

-- average over a relation
SELECT "tests_author"."id" AS "id", "tests_author"."name" AS "name", vector_send(AVG("tests_author_documents"."embedding")) AS "mean" FROM "tests_author" LEFT OUTER JOIN "tests_document" AS "tests_author_documents" ON "tests_author_documents"."author_id" = "tests_author"."id" GROUP BY "tests_author"."id";

-- fill a companion
SELECT version() AS version;
SELECT extversion AS version, CASE WHEN to_regtype('vector') IS NULL THEN extnamespace::regnamespace::text END AS hidden_in FROM pg_extension WHERE extname = 'vector';
SELECT relname AS name FROM pg_dist_partition JOIN pg_class ON oid = logicalrelid;
SELECT extversion AS version FROM pg_extension WHERE extname = 'citus';

-- search a part of a companion
DO $set$ DECLARE before text := current_setting('citus.propagate_set_commands'); BEGIN SET LOCAL citus.propagate_set_commands = 'local'; EXECUTE concat_ws('; ', coalesce('SET LOCAL plan_cache_mode = ' || quote_literal('force_custom_plan'), 'SET LOCAL plan_cache_mode TO DEFAULT'), coalesce('SET LOCAL hnsw.iterative_scan = ' || quote_literal('relaxed_order'), 'SET LOCAL hnsw.iterative_scan TO DEFAULT'), coalesce('SET LOCAL ivfflat.iterative_scan = ' || quote_literal('relaxed_order'), 'SET LOCAL ivfflat.iterative_scan TO DEFAULT')); PERFORM set_config('citus.propagate_set_commands', before, true); END $set$;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (NULLIF("tests_shelved"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."pages" > %s ORDER BY ("tests_shelved"."embedding" <=> %s::vector) ASC LIMIT 3;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (NULLIF("tests_shelved"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) AND "tests_shelved"."pages" > %s ORDER BY ("tests_shelved"."embedding" <=> %s::vector) + 0 ASC LIMIT 3;

-- search a companion of signs
DO $set$ DECLARE before text := current_setting('citus.propagate_set_commands'); BEGIN SET LOCAL citus.propagate_set_commands = 'local'; EXECUTE concat_ws('; ', coalesce('SET LOCAL plan_cache_mode = ' || quote_literal('force_custom_plan'), 'SET LOCAL plan_cache_mode TO DEFAULT'), coalesce('SET LOCAL hnsw.iterative_scan = ' || quote_literal('relaxed_order'), 'SET LOCAL hnsw.iterative_scan TO DEFAULT'), coalesce('SET LOCAL ivfflat.iterative_scan = ' || quote_literal('relaxed_order'), 'SET LOCAL ivfflat.iterative_scan TO DEFAULT')); PERFORM set_config('citus.propagate_set_commands', before, true); END $set$;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (NULLIF("tests_shelved"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) ORDER BY ("tests_shelved"."embedding" <=> %s::vector) ASC LIMIT 3;
SELECT "tests_shelved"."id" AS "id", "tests_shelved"."shelf" AS "shelf", "tests_shelved"."pages" AS "pages", "tests_shelved"."embedding" AS "embedding", (NULLIF("tests_shelved"."embedding" <=> %s::vector, 'NaN')) AS "distance" FROM "tests_shelved" WHERE "tests_shelved"."shelf" = %s AND ("tests_shelved"."embedding" IS NOT NULL) ORDER BY ("tests_shelved"."embedding" <=> %s::vector) + 0 ASC LIMIT 3;

-- drop a companion

