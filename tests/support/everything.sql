-- One of every kind of object that a database may hold, with values that are easily spoiled.  Needs a
-- superuser and the extensions that come with PostgreSQL; may run in one transaction.  Roles belong to
-- the server and stay when they are there.  Not in it: security labels, whose providers are not
-- packaged, and subscriptions, which stand for a second server.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'res tore') THEN
        CREATE ROLE "res tore" NOLOGIN;
    END IF;
END $$;

-- Types
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"', 'ok');
CREATE DOMAIN d AS int;
CREATE DOMAIN positive AS numeric(10, 2) DEFAULT 1 CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN many AS positive[] NOT NULL;
CREATE TYPE pair AS (a int, b text);
CREATE TYPE deeper AS (p pair, moods mood[], "Odd ""name" d);
CREATE TYPE shell;
CREATE FUNCTION span(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
CREATE TYPE floats AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = span, MULTIRANGE_TYPE_NAME = floatses);
COMMENT ON TYPE mood IS E'a\nb';
COMMENT ON COLUMN pair.b IS 'of the pair';

-- Schemas, a table of all types, and values at their ends
CREATE SCHEMA s;
COMMENT ON SCHEMA s IS 'it''s';
CREATE TABLE s.types (id bigserial PRIMARY KEY, a smallint, b numeric, c float4, d float8,
    e timestamptz, f interval, g bytea, h jsonb, i json, j uuid, k inet, l int[], m mood, n d,
    o pair, p int4range, q char(5), r varchar, s bool, t money, u xml, v hstore, w bit varying,
    x point, y tsvector, z text GENERATED ALWAYS AS (r || '!') STORED);
INSERT INTO s.types VALUES (9007199254740993, -32768, 'NaN', 'Infinity', 0.1, '-infinity',
    '1 year -2 days', '\x0001ff', '{"a": 1.00}', '{ "a":1 }',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1/64', '{{1,NULL},{3,4}}', 'ok', 7, (1,'a,b"c'),
    '[1,9)', 'ab', E'\\N', true, '-1234.5', '<a>b</a>', 'a=>NULL, b=>"c"', '101', '(1,2)',
    'a fat cat');
INSERT INTO s.types (r) VALUES (NULL), ('NULL'), (''), (E'\r\n\b\f\v\x01'), ('\.'),
    (repeat('long', 100000));
CREATE TABLE s.more (a positive, b many DEFAULT '{1,2.50}', c deeper, d floats, e floatses, f oid,
    g "char", h name, i macaddr8, j cidr, k timetz, l date, m path, n polygon, o circle, p lseg,
    q tsquery, r jsonpath, s pg_lsn, t tid, u xid8, v bit(3), w regclass, x int2vector,
    y timestamp(3), z numeric(5, -2));
INSERT INTO s.more VALUES (0.01, '{}', ROW(ROW(NULL, 'x\y'), '{sad,NULL,"it''s \"fine\""}', 3),
    '(-infinity,1e308]', '{[1,2),(3,4]}', 4294967295, E'\x01', 'n"ame', '08:00:2b:01:02:03:04:05',
    '10.0.0.0/8', '24:00:00-15:59:59', '4713-01-01 BC', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))',
    '<(0,0),1e-300>', '[(0,0),(1,1)]', '''a'' & !(b | c:*)', '$."a"[*] ? (@ > 1)', 'FFFFFFFF/0',
    '(4294967295,65535)', '18446744073709551615', B'101', 's.types', '1 2 3',
    '294276-12-31 23:59:59.999', 12345);
INSERT INTO s.more (a, d, e, l, y) VALUES (99999999.99, 'empty', '{}', 'infinity', '-infinity');

-- Functions, procedures, operators, aggregates, casts
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
CREATE FUNCTION f_none() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION s.several(INOUT a int, VARIADIC rest text[] DEFAULT '{}', OUT n bigint)
    LANGUAGE sql STABLE STRICT SECURITY DEFINER PARALLEL SAFE COST 7 SET search_path = 's', "$user"
    BEGIN ATOMIC SELECT a + 1, cardinality(rest)::bigint; END;
CREATE FUNCTION s.rows(n int) RETURNS TABLE (i int, t text) LANGUAGE sql ROWS 5
    AS $_$ SELECT i, $$x$$ || i FROM generate_series(1, n) i $_$;
CREATE PROCEDURE s.keep(INOUT what text) LANGUAGE plpgsql AS $$ BEGIN what := what || '\'; END $$;
CREATE FUNCTION pair_less(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a < $2.a';
CREATE FUNCTION pair_compare(pair, pair) RETURNS int LANGUAGE sql IMMUTABLE
    AS 'SELECT $1.a - $2.a';
CREATE OPERATOR <<< (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_less, COMMUTATOR = >>>);
CREATE OPERATOR >>> (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_less, COMMUTATOR = <<<);
CREATE OPERATOR FAMILY pairs USING btree;
CREATE OPERATOR CLASS pair_by_a FOR TYPE pair USING btree FAMILY pairs
    AS OPERATOR 1 <<<, FUNCTION 1 pair_compare(pair, pair);
CREATE AGGREGATE agg (int) (SFUNC = int4pl, STYPE = int);
CREATE AGGREGATE s.percentile (float8 ORDER BY anyelement) (SFUNC = ordered_set_transition,
    STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE FUNCTION mood_of(int) RETURNS mood LANGUAGE sql IMMUTABLE
    AS 'SELECT CASE WHEN $1 < 0 THEN ''sad'' ELSE ''ok'' END::mood';
CREATE CAST (int AS mood) WITH FUNCTION mood_of(int) AS ASSIGNMENT;
CREATE CAST (pair AS text) WITH INOUT;
COMMENT ON FUNCTION f() IS 'never called';
COMMENT ON OPERATOR <<< (pair, pair) IS 'by a';

-- Collations, text search, conversions, languages
CREATE COLLATION s.plain FROM "C";
CREATE COLLATION german (PROVIDER = icu, LOCALE = 'de-u-co-phonebk', DETERMINISTIC = false);
CREATE TEXT SEARCH DICTIONARY s.short (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION s.words (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION s.words ALTER MAPPING FOR asciiword WITH s.short, english_stem;
CREATE CONVERSION s.bytes FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE FUNCTION own_call() RETURNS language_handler LANGUAGE c
    AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE LANGUAGE own HANDLER own_call;

-- Tables that depend on each other
CREATE TABLE ident (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED BY DEFAULT AS IDENTITY
    (START 100 INCREMENT -7 MINVALUE -900 MAXVALUE 200), c text COLLATE "C" DEFAULT 'x');
INSERT INTO ident (c) SELECT i::text FROM generate_series(1, 50) i;
CREATE TABLE parent (id int PRIMARY KEY, self int REFERENCES parent DEFERRABLE);
CREATE TABLE child (id int REFERENCES parent, t int CHECK (t >= 0)) PARTITION BY RANGE (t);
CREATE TABLE child_1 PARTITION OF child FOR VALUES FROM (0) TO (10);
CREATE TABLE child_2 PARTITION OF child DEFAULT;
INSERT INTO parent VALUES (1, 2), (2, 1);
INSERT INTO child SELECT 1 + i % 2, i FROM generate_series(1, 3000) i;
CREATE TABLE s.by_list (k text COLLATE german, n int, z int DEFAULT 5, PRIMARY KEY (k, n))
    PARTITION BY LIST (k);
CREATE TABLE s.by_list_a PARTITION OF s.by_list FOR VALUES IN ('a', 'ä') PARTITION BY HASH (n);
CREATE TABLE s.by_list_a0 PARTITION OF s.by_list_a FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE s.by_list_a1 (z int, n int NOT NULL, gone int, k text COLLATE german NOT NULL);
ALTER TABLE s.by_list_a1 DROP COLUMN gone;
ALTER TABLE s.by_list_a ATTACH PARTITION s.by_list_a1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE s.by_list_rest PARTITION OF s.by_list DEFAULT PARTITION BY RANGE (n);
CREATE TABLE s.by_list_low PARTITION OF s.by_list_rest FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE s.by_list_high PARTITION OF s.by_list_rest FOR VALUES FROM (50) TO (MAXVALUE);
INSERT INTO s.by_list (k, n) SELECT (array['a', 'ä', 'b'])[1 + i % 3], i FROM generate_series(1, 99) i;
CREATE TABLE base (a int CHECK (a > 0) NO INHERIT, b text DEFAULT 'base');
CREATE TABLE derived (c int UNIQUE) INHERITS (base);
ALTER TABLE derived ALTER b SET DEFAULT 'derived', ALTER c SET STATISTICS 500,
    ALTER b SET STORAGE EXTERNAL, ALTER b SET COMPRESSION pglz;
INSERT INTO base VALUES (1);
INSERT INTO derived VALUES (-1, 'x', 1), (-1, DEFAULT, NULL), (-1, NULL, NULL);
CREATE TABLE stay (a tsrange, b mood, n int, EXCLUDE USING gist (a WITH &&) WHERE (n > 0))
    WITH (fillfactor = 70, autovacuum_enabled = off);
INSERT INTO stay VALUES ('[2026-01-01,2026-02-01)', 'ok', 1), ('[2026-01-01,2026-02-01)', 'sad', -1);
CREATE TABLE typed OF pair (PRIMARY KEY (a), b WITH OPTIONS DEFAULT 'typed');
INSERT INTO typed VALUES (1, DEFAULT), (2, NULL);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
CREATE UNLOGGED TABLE u AS SELECT 1 AS a;
ALTER TABLE parent ADD CONSTRAINT later CHECK (id < 100) NOT VALID;
COMMENT ON TABLE child IS 'has parts';
COMMENT ON COLUMN ident.c IS '';
COMMENT ON CONSTRAINT later ON parent IS 'not yet';

-- Views, rules, triggers, indexes, statistics
CREATE MATERIALIZED VIEW b_first AS SELECT count(*) AS n FROM child;
CREATE MATERIALIZED VIEW a_second AS SELECT n + 1 AS n FROM b_first;
CREATE MATERIALIZED VIEW empty AS SELECT 1 AS n WITH NO DATA;
CREATE UNIQUE INDEX ON a_second (n);
CREATE VIEW v AS TABLE parent;
CREATE VIEW s.checked WITH (security_barrier, security_invoker) AS
    SELECT * FROM ident WHERE a > 3 WITH LOCAL CHECK OPTION;
CREATE RECURSIVE VIEW s.counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 9;
CREATE VIEW s.circle AS SELECT 1 AS a, 2 AS b;
CREATE FUNCTION s.of_circle(s.circle) RETURNS int LANGUAGE sql AS 'SELECT $1.a';
CREATE OR REPLACE VIEW s.circle AS SELECT 1 AS a, 2 AS b, s.of_circle(NULL) AS c;
CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING;
CREATE RULE noted AS ON UPDATE TO ident WHERE new.a <> old.a DO ALSO
    INSERT INTO nothing DEFAULT VALUES;
CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION f();
CREATE TRIGGER always AFTER UPDATE ON ident REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION f('a', E'b\\');
ALTER TABLE ident ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER instead INSTEAD OF DELETE ON v FOR EACH ROW EXECUTE FUNCTION f();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON stay DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.n > 5) EXECUTE FUNCTION f();
ALTER TABLE stay DISABLE TRIGGER deferred;
CREATE EVENT TRIGGER et ON ddl_command_start WHEN tag IN ('DROP TABLE') EXECUTE FUNCTION f_none();
CREATE INDEX ON child (t);
CREATE INDEX odd ON s.types USING gin (h jsonb_path_ops) WHERE s;
CREATE UNIQUE INDEX once ON ident ((lower(c) COLLATE "C") text_pattern_ops DESC NULLS LAST)
    INCLUDE (a) NULLS NOT DISTINCT;
CREATE INDEX by_pair ON typed ((ROW(a, b)::pair) pair_by_a);
CREATE INDEX ON ident USING brin (a) WITH (pages_per_range = 4);
ALTER TABLE ident CLUSTER ON once;
ALTER TABLE ident REPLICA IDENTITY FULL;
CREATE STATISTICS st ON id, t FROM child;
CREATE STATISTICS s.expressions (ndistinct, mcv) ON a, (a % 7) FROM ident;
COMMENT ON INDEX s.odd IS 'partial';

-- Rights: owners, grants, defaults, policies
CREATE TABLE secret (a int, who text);
INSERT INTO secret VALUES (1, 'x'), (2, 'y');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON secret TO "res tore" USING (who = current_user);
CREATE POLICY narrow ON secret AS RESTRICTIVE FOR UPDATE USING (a > 0) WITH CHECK (a > 1);
ALTER TABLE parent OWNER TO "res tore";
GRANT SELECT (a) ON secret TO "res tore";
GRANT INSERT ON ident TO "res tore" WITH GRANT OPTION;
REVOKE ALL ON FUNCTION f() FROM PUBLIC;
GRANT USAGE ON SCHEMA s TO PUBLIC;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE "res tore" IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Sequences
CREATE SEQUENCE alone INCREMENT -3 CYCLE MAXVALUE 9 MINVALUE -9 START 9;
SELECT nextval('alone');
CREATE SEQUENCE unused START 77;
CREATE SEQUENCE s.small AS smallint CACHE 20 OWNED BY s.more.a;
SELECT setval('s.small', 32767, true);
CREATE UNLOGGED SEQUENCE s.light;

-- Foreign data
CREATE EXTENSION file_fdw;
CREATE FOREIGN DATA WRAPPER nobody OPTIONS (debug 'true');
CREATE SERVER files TYPE 'it''s' VERSION '1' FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER away FOREIGN DATA WRAPPER nobody OPTIONS (host 'a b');
CREATE USER MAPPING FOR "res tore" SERVER away OPTIONS (who 'me');
CREATE FOREIGN TABLE s.passwords (line text OPTIONS (force_not_null 'true') NOT NULL) SERVER files
    OPTIONS (filename '/etc/passwd', format 'csv');
GRANT USAGE ON FOREIGN SERVER away TO "res tore";

-- Publications
CREATE PUBLICATION pub FOR TABLE parent;
CREATE PUBLICATION whole FOR TABLES IN SCHEMA s;
CREATE PUBLICATION part FOR TABLE ident (a, c) WHERE (a > 5)
    WITH (publish = 'insert, delete', publish_via_partition_root);

-- Names
CREATE TABLE "a""b'c.%s" ("select" int, "x y" text);
INSERT INTO "a""b'c.%s" VALUES (1, 'x');
CREATE SCHEMA "Odd.Name";
CREATE TABLE "Odd.Name"."new
line" ("Col\umn" int);
INSERT INTO "Odd.Name"."new
line" VALUES (5);
CREATE TABLE "Odd.Name"."табл -- $$" (" " int);

-- Large objects
SELECT lo_from_bytea(4000000001, '\x0102');
SELECT lo_from_bytea(4000000002, '');
SELECT lo_from_bytea(4000000003, decode(repeat('5a', 2500000), 'hex'));
ALTER LARGE OBJECT 4000000001 OWNER TO "res tore";
GRANT SELECT ON LARGE OBJECT 4000000001 TO PUBLIC;
COMMENT ON LARGE OBJECT 4000000001 IS 'wh\at it''s';
