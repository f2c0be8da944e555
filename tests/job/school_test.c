/*
 * The folder of School ERP's backups: what counts as one, and what comes in that is none.  With a
 * database: tests/e2e/79-school-erp.sh.
 */
#include "job/school.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/school.h"
#include "base/file.h"
#include "support/fixture.h"

#define OLD   "backup-2025-11-21T10-03-35-495Z-000000000000000000000000000000a1.enc"
#define NEW   "backup-2025-11-22T10-03-35-495Z-000000000000000000000000000000a2.enc"
#define OTHER "backup-2025-11-23T10-03-35-495Z-000000000000000000000000000000a3.enc"
#define HEAD  "{\"version\":\"1.0\",\"timestamp\":\"2025-11-21T10:28:30.846Z\",\"tables\":"

static const struct school_key key = {{1, 2, 3}};

/* Seal a text as the application does. */
static void seal(const char *path, const char *text)
{
    AUTO(buf) struct buf file = {0};
    const struct school_writing how = {.to = output_of_buf(&file), .key = &key};
    AUTO(school_writer) struct school_writer *w = NULL;
    struct school_written written;
    AUTO(buf) struct buf tmp = {0};
    bool is_suspect = false;

    CHECK_OK(school_writer_open(&how, &w, e));
    CHECK_OK(school_writer_add(w, slice_string(text), e));
    CHECK_OK(school_writer_finish(w, &written, e));
    buf_printf(&tmp, "%s.tmp", path);
    CHECK_OK(
        file_publish_replace(AT_FDCWD, path, buf_string(&tmp), buf_slice(&file), &is_suspect, e));
}

static void restore_fails(const struct school_place *p, const char *id, enum err_code code,
                          const char *sentence)
{
    const struct school_restoring how = {0};
    AUTO(school_restored) struct school_restored r = {0};
    struct err why = {0};

    CHECK(!school_backup_restore(p, id, &how, &r, &why));
    ck_assert_int_eq((int)why.code, (int)code);
    ck_assert_msg(strstr(why.text, sentence) != NULL, "%s: %s", id, why.text);
}

TEST(files_that_are_no_backups_are_not_listed_and_the_newest_is_first)
{
    AUTO(scratch) struct scratch s;
    AUTO(school_list) struct school_list l = {0};

    scratch_init(&s);

    const struct school_place p = {.folder = s.path};

    seal(path_in(s.path, OLD), HEAD "{}}");
    seal(path_in(s.path, NEW), HEAD "{}}");
    file_put_text(path_in(s.path, OTHER), "too short");
    file_put_text(path_in(s.path, "backup-1.enc"), "");
    file_put_text(path_in(s.path, "x" OLD), "");
    ck_assert_int_eq(mkdir(path_in(s.path, "backup-2025-12-21T10-03-35-495Z-"
                                           "000000000000000000000000000000b1.enc"),
                           0700),
                     0);
    ck_assert_int_eq(mkfifo(path_in(s.path, "backup-2025-12-21T10-03-35-495Z-"
                                            "000000000000000000000000000000b2.enc"),
                            0600),
                     0);
    ck_assert_int_eq(symlink(OLD, path_in(s.path, "backup-2025-12-21T10-03-35-495Z-"
                                                  "000000000000000000000000000000b3.enc")),
                     0);
    CHECK_OK(school_backup_list(&p, &l, e));
    ck_assert_uint_eq(l.count, 3);
    ck_assert_str_eq(l.items[0].file, OTHER);
    ck_assert_str_eq(l.items[1].file, NEW);
    ck_assert_str_eq(l.items[2].file, OLD);
    CHECK(!l.items[0].is_readable);
    CHECK(l.items[1].is_readable);
}
END

TEST(only_names_of_backups_are_looked_for)
{
    static const char *const ids[] = {
        "",
        "/etc/passwd",
        "../" OLD,
        "./" OLD,
        OLD "\n",
        OLD ".enc",
        "backup-.enc",
        "000000000000000000000000000000a",
        "000000000000000000000000000000ag",
        "backup-2025-11-21T10-03-35-495Z-000000000000000000000000000000A1.enc",
        "backup-2025-13-21T10-03-35-495Z-000000000000000000000000000000a1.enc"};
    AUTO(scratch) struct scratch s;
    struct school_logged logged;

    scratch_init(&s);

    const struct school_place p = {.folder = s.path, .key = &key};

    seal(path_in(s.path, OLD), HEAD "{}}");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        restore_fails(&p, ids[i], ERR_USAGE, "Invalid backup ID");
        CHECK_ERR(school_backup_remove(&p, ids[i], &logged, e), ERR_USAGE);
    }
    restore_fails(&p, NEW, ERR_NOT_FOUND, "Backup file not found on disk");
    CHECK_ERR(school_backup_remove(&p, NEW, &logged, e), ERR_NOT_FOUND);
    CHECK_OK(school_backup_remove(&p, "000000000000000000000000000000a1", &logged, e));
    ck_assert_uint_eq(directory_count(s.path), 0);
}
END

TEST(a_file_is_read_to_its_end_without_a_database)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "not JSON"},
        {HEAD "{}", "JSON"},
        {HEAD "[]}", "Invalid backup format"},
        {HEAD "{\"users\":{}}}", "Invalid backup format"},
        {HEAD "{\"users\":[1]}}", "Invalid backup format"},
        {HEAD "{\"users\":[],\"users\":[]}}", "Invalid backup format"},
        {HEAD "{}}x", "JSON"},
    };
    const struct school_restoring how = {0};
    const struct school_restoring imports = {.imports = true};
    AUTO(scratch) struct scratch s;
    AUTO(school_restored) struct school_restored r = {0};

    scratch_init(&s);

    struct school_place p = {.folder = s.path, .key = &key};

    seal(path_in(s.path, OLD), HEAD "{\"users\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"exams\":[]}}");
    CHECK_OK(school_backup_restore(&p, OLD, &how, &r, e));
    ck_assert_uint_eq(r.facts.rows[0], 2);
    CHECK(r.facts.has[11]);
    CHECK(!r.facts.has[1]);
    ck_assert_uint_eq(r.written, 0);
    CHECK_ERR(school_backup_restore(&p, OLD, &imports, &r, e), ERR_USAGE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        seal(path_in(s.path, NEW), bad[i].text);
        restore_fails(&p, NEW, ERR_CORRUPT, bad[i].sentence);
        CHECK_OK(file_remove(AT_FDCWD, path_in(s.path, NEW), e));
    }
    p.key = &(struct school_key){{9}};
    restore_fails(&p, OLD, ERR_CORRUPT, "Unsupported state or unable to authenticate data");
    p.key = NULL;
    restore_fails(&p, OLD, ERR_USAGE, "key");
}
END

TEST(making_one_takes_a_key_that_nobody_knows_and_a_database)
{
    AUTO(scratch) struct scratch s;
    struct school_making how = {0};
    struct school_made made;
    struct school_key published;

    scratch_init(&s);

    struct school_place p = {.folder = s.path, .key = &key};

    CHECK_ERR(school_backup_make(&p, &how, &made, e), ERR_USAGE);
    p.database.dsn = "host=/nowhere dbname=school";
    CHECK_ERR(school_backup_make(&p, &how, &made, e), ERR_TRANSIENT);
    how.tables = (const char *const[]){"User"};
    how.table_count = 1;
    CHECK_ERR(school_backup_make(&p, &how, &made, e), ERR_USAGE);
    CHECK_OK(school_key_parse("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                              &published, e));
    p.key = &published;
    CHECK_ERR(school_backup_make(&p, &how, &made, e), ERR_DENIED);
    ck_assert_uint_eq(directory_count(s.path), 0);
}
END

TEST(an_address_is_one_of_prisma_or_of_libpq)
{
    static const char *const other_schemas[] = {
        "postgresql://u:p@h/d?schema=tenant", "postgresql://u:p@h/d?connection_limit=5&schema=x",
        "postgres://u@h/d?schema=", "postgres://u@h/d?schema=publicx"};
    AUTO(pos_database) struct pos_database url = {0};
    AUTO(pos_database) struct pos_database words = {0};

    CHECK_OK(school_database_parse("postgresql://u:p%40ss@h:5433/d?schema=public", &url, e));
    ck_assert_str_eq(url.dsn, "user='u' host='h' port='5433' dbname='d'");
    ck_assert_str_eq(url.password, "p@ss");
    CHECK_OK(school_database_parse("host=/run dbname=school", &words, e));
    ck_assert_str_eq(words.dsn, "host=/run dbname=school");
    for (size_t i = 0; i < sizeof(other_schemas) / sizeof(other_schemas[0]); i++) {
        struct pos_database none = {0};

        CHECK_ERR(school_database_parse(other_schemas[i], &none, e), ERR_USAGE);
    }
}
END

TESTS("school", files_that_are_no_backups_are_not_listed_and_the_newest_is_first,
      only_names_of_backups_are_looked_for, a_file_is_read_to_its_end_without_a_database,
      making_one_takes_a_key_that_nobody_knows_and_a_database,
      an_address_is_one_of_prisma_or_of_libpq)
