/*
 * Documents that are broken, and documents that are large.
 */
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "source/tables.h"

#undef TEST_SECONDS
#define TEST_SECONDS 280

/* Memory that so many rows may take beyond what a process needs; AddressSanitizer keeps what is
 * released. */
#ifdef __SANITIZE_ADDRESS__
#define ROWS       100000
#define MEMORY_MAX ((uint64_t)1 << 30)
#else
#define ROWS       1000000
#define MEMORY_MAX ((uint64_t)4 << 20)
#endif
#define STRING_OF(number) #number
#define STRING(number)    STRING_OF(number)

static const char sound[] =
    "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00Z\",\"tables\":{\"t\":{\"columns\":"
    "[{\"name\":\"id\",\"type\":\"integer\"},{\"name\":\"a\",\"type\":\"text\"},{\"name\":\"j\"}],"
    "\"rows\":[{\"id\":1,\"a\":\"\\u00e9\",\"j\":[1,{}]},{\"id\":2,\"a\":null}]},\"u\":[{\"b\":"
    "true}]}}";

static void make(const char *database)
{
    tables_make(database, "CREATE TABLE t (id int PRIMARY KEY, a text, j jsonb);"
                          "CREATE TABLE u (b bool); INSERT INTO t VALUES (9, 'kept', 'null')");
}

static const char kept[] =
    "SELECT (SELECT string_agg(t::text, ';') FROM t) || (SELECT count(*) FROM u)";

TEST(a_document_cut_short_at_any_byte_changes_nothing)
{
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    make("cut");
    for (size_t size = (size_t)test_first(); size + 1 < sizeof(sound);
         size += (size_t)test_every()) {
        struct err why = {0};

        ck_assert_msg(
            !tables_import("cut", TABLE_JSON_REPLACE, SLICE_OF(sound, size), &counts, &why),
            "%zu bytes", size);
        ck_assert_msg(why.code == ERR_CORRUPT && strstr(why.text, "not JSON") != NULL,
                      "%zu bytes: %s", size, why.text);
    }
    tables_check("cut", kept, "(9,kept,null)0");
    CHECK_OK(tables_import("cut", TABLE_JSON_REPLACE, slice_string(sound), &counts, e));
    tables_check("cut", kept, "(1,\xc3\xa9,\"[1, {}]\");(2,,)1");
}
END

/* A byte anywhere becomes another one: never a crash, and either all arrives or nothing. */
TEST(a_changed_byte_never_lets_half_of_a_document_arrive)
{
    static const char others[] = "\"{}[],:\\0x\xff \n";
    uint64_t arrived = 0;

    make("changed");
    for (size_t i = (size_t)test_first(); i + 1 < sizeof(sound); i += (size_t)test_every()) {
        AUTO(table_json_counts) struct table_json_counts counts = {0};
        AUTO(mem) char *document = mem_dup(sound, sizeof(sound));
        struct err why = {0};

        document[i] = others[i % (sizeof(others) - 1)];
        if (tables_import("changed", TABLE_JSON_REPLACE, slice_string(document), &counts, &why)) {
            arrived++;
            tables_sql("changed", "TRUNCATE t, u; INSERT INTO t VALUES (9, 'kept', 'null')");
        } else {
            CHECK(why.code != ERR_TRANSIENT && why.text[0] != '\0');
            tables_check("changed", kept, "(9,kept,null)0");
        }
    }
    CHECK((arrived > 0 || test_every() > 1) && arrived < sizeof(sound) / 4);
}
END

TEST(what_is_no_such_document_is_refused_with_a_sentence)
{
#define HEAD "{\"version\":\"1.0\",\"timestamp\":\"2026-11-21T08:45:00Z\",\"tables\":"
    static const struct {
        const char *document, *sentence;
    } cases[] = {
        {"[]", "the document's object is missing"},
        {"{}", "it has no version"},
        {"{\"version\":\"2.0\"}", "it is of version 2.0, not 1.0"},
        {"{\"version\":1}", "the version is missing"},
        {"{\"version\":\"1.0\",\"version\":\"1.0\"}", "version stands there twice"},
        {"{\"version\":\"1.0\",\"tables\":{}}", "it has no timestamp"},
        {"{\"version\":\"1.0\",\"timestamp\":\"today\"}", "its timestamp is no time"},
        {HEAD "[]}", "the object of tables is missing"},
        {HEAD "{\"t\":1}}", "table t: it is neither array nor object"},
        {HEAD "{\"t\":{\"rows\":[]}}}", "table t: its rows come before its columns"},
        {HEAD "{\"t\":{\"columns\":[{}],\"rows\":[]}}}", "table t: a column has no name"},
        {HEAD "{\"t\":{\"columns\":[1],\"rows\":[]}}}", "table t: one of its columns is no object"},
        {HEAD "{\"t\":{\"columns\":[{\"name\":\"a\"},{\"name\":\"a\"}]}}}",
         "table t: column a stands there twice"},
        {HEAD "{\"t\":{\"columns\":[{\"name\":\"id\"}]}}}", "table t: it has no rows"},
        {HEAD "{\"t\":{\"columns\":[{\"name\":\"id\"}],\"rows\":[{\"id\":1,\"a\":2}]}}}",
         "table t: row 1: it has a column a, others have not"},
        {HEAD "{\"t\":[],\"t\":[]}}", "table t: it stands there twice"},
        {HEAD "{}}{", "it is not JSON: byte 65: something is behind the document"},
        {"\xef\xbb\xbf{}", "it is not JSON: byte 1: a value is missing"},
    };
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    make("refused");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err why = {0};

        CHECK(!tables_import("refused", TABLE_JSON_UPSERT, slice_string(cases[i].document), &counts,
                             &why));
        ck_assert_str_eq(strchr(why.text, ':') + 2, cases[i].sentence);
        ck_assert_int_eq(why.code, ERR_CORRUPT);
    }
    tables_check("refused", kept, "(9,kept,null)0");
}
END

static uint64_t peak_memory(void)
{
    AUTO(buf) struct buf status = {0};
    unsigned long long kib = 0;

    CHECK_OK(file_read("/proc/self/status", (size_t)1 << 20, &status, e));
    ck_assert_int_eq(sscanf(strstr(buf_string(&status), "VmHWM:"), "VmHWM: %llu", &kib), 1);
    return (uint64_t)kib << 10;
}

static bool write_file(void *arg, struct slice bytes, struct err *e)
{
    return fd_write(*(const int *)arg, bytes, e);
}

static bool read_file(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    return fd_read(*(const int *)arg, to, room, got, e);
}

static void million_rows(enum table_json_form form, int fd)
{
    const char sum[] = "SELECT count(*) || ' ' || sum(hashtextextended(big::text, 0)) FROM big";
    struct table_json_export_options out = {
        .database = {.dsn = tables_dsn("million")}, .form = form, .write = write_file, .arg = &fd};
    struct table_json_import_options in = {.database = {.dsn = tables_dsn("million")},
                                           .mode = TABLE_JSON_REPLACE,
                                           .read = read_file,
                                           .arg = &fd};
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(mem) char *before = postgres_server_value(tables_server, "million", sum);
    struct table_json_totals totals;
    const uint64_t peak = peak_memory();

    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    CHECK_OK(table_json_export(&out, &totals, e));
    ck_assert_uint_eq(totals.rows, ROWS);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    CHECK_OK(table_json_import(&in, &counts, e));
    ck_assert_uint_eq(counts.tables[0].inserted, ROWS);
    ck_assert_msg(peak_memory() - peak < MEMORY_MAX, "%llu bytes more",
                  (unsigned long long)(peak_memory() - peak));
    tables_check("million", sum, before);
}

TEST(a_million_rows_take_no_more_memory_than_one)
{
    char path[] = "/tmp/holdfast-test-XXXXXX";
    AUTO(fd) int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    tables_make(
        "million",
        "CREATE TABLE big (id bigint PRIMARY KEY, t text, at timestamptz, j jsonb, f float8);"
        "INSERT INTO big SELECT i, 'row ' || i || E' \\n', to_timestamp(i / 7.0),"
        " jsonb_build_object('n', i), i / 3.0::float8 FROM generate_series(1, " STRING(ROWS) ") i");
    million_rows(TABLE_JSON_TYPED, fd);
    million_rows(TABLE_JSON_PLAIN, fd);
}
END

/* Lets the reader see a row that does not end. */
static bool read_endless(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct slice *head = arg;

    if (head->size > 0)
        return json_read_slice(head, to, room, got, e);
    memset(to, 'x', room);
    *got = room;
    return true;
}

TEST(a_row_without_end_is_refused_at_64_mib)
{
    struct slice head = slice_string(HEAD "{\"t\":[{\"id\":1,\"a\":\"");
    const struct table_json_import_options o = {
        .database = {.dsn = tables_dsn("endless")}, .read = read_endless, .arg = &head};
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    make("endless");
    CHECK_ERR(table_json_import(&o, &counts, e), ERR_CORRUPT);
    tables_check("endless", kept, "(9,kept,null)0");
    CHECK(peak_memory() < (uint64_t)400 << 20);
}
END

TEST(an_export_that_cannot_be_written_fails_with_the_reason)
{
    AUTO(fd) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    const struct table_json_export_options o = {
        .database = {.dsn = tables_dsn("disk")}, .write = write_file, .arg = &fd};
    struct table_json_totals totals;

    make("disk");
    CHECK_ERR(table_json_export(&o, &totals, e), ERR_FATAL);
}
END

static void *interrupt_soon(void *arg)
{
    (void)arg;
    (void)poll(NULL, 0, 300);
    cancel_request();
    return NULL;
}

TEST(an_export_that_waits_for_a_lock_can_be_interrupted)
{
    AUTO(buf) struct buf document = {0};
    const struct table_json_export_options o = {
        .database = {.dsn = tables_dsn("slow")}, .write = tables_write, .arg = &document};
    struct table_json_totals totals;
    const int64_t begin_ns = clock_monotonic_ns();
    pthread_t other;
    PGconn *c;

    make("slow");
    c = PQconnectdb(tables_dsn("slow"));
    PQclear(PQexec(c, "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE"));
    ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_INTRANS);
    thread_start(&other, interrupt_soon, NULL, "interrupt");
    CHECK_ERR(table_json_export(&o, &totals, e), ERR_CANCELLED);
    thread_join(other);
    CHECK(clock_monotonic_ns() - begin_ns < 30 * NS_PER_S);
    PQfinish(c);
}
END

/* Gives the first half, ends the server's side of the connection, gives the rest. */
struct broken {
    struct slice left;
    size_t whole;
};

static bool read_broken(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct broken *b = arg;

    if (b->left.size <= b->whole / 2)
        tables_sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE datname = 'broken'");
    return json_read_slice(&b->left, to, b->whole / 2 < room ? b->whole / 2 : room, got, e);
}

TEST(a_connection_that_is_lost_midway_leaves_nothing)
{
    struct broken b = {slice_string(sound), sizeof(sound) - 1};
    const struct table_json_import_options o = {.database = {.dsn = tables_dsn("broken")},
                                                .read = read_broken,
                                                .arg = &b,
                                                .mode = TABLE_JSON_REPLACE};
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    make("broken");
    CHECK_ERR(table_json_import(&o, &counts, e), ERR_TRANSIENT);
    tables_check("broken", kept, "(9,kept,null)0");
}
END

TEST(a_server_that_is_not_there_is_said_without_the_password)
{
    const struct table_json_export_options o = {
        .database = {.dsn = "host=/nonexistent dbname=x", .password = "secret-word"},
        .write = tables_write};
    const struct table_json_export_options odd = {.database = {.dsn = "host='secret-word"}};
    struct table_json_totals totals;
    struct err why = {0};

    CHECK(!table_json_export(&o, &totals, &why));
    CHECK(why.code == ERR_TRANSIENT && strstr(why.text, "secret-word") == NULL);
    CHECK(!table_json_export(&odd, &totals, &why));
    CHECK(why.code == ERR_USAGE && strstr(why.text, "secret-word") == NULL);
}
END

TESTS_BETWEEN("table_stream", tables_begin, tables_end,
              a_document_cut_short_at_any_byte_changes_nothing,
              a_changed_byte_never_lets_half_of_a_document_arrive,
              what_is_no_such_document_is_refused_with_a_sentence,
              a_million_rows_take_no_more_memory_than_one, a_row_without_end_is_refused_at_64_mib,
              an_export_that_cannot_be_written_fails_with_the_reason,
              an_export_that_waits_for_a_lock_can_be_interrupted,
              a_connection_that_is_lost_midway_leaves_nothing,
              a_server_that_is_not_there_is_said_without_the_password)
