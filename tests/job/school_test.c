/*
 * The folder of School ERP's backups: what counts as one, and what comes in that is none.  With a
 * database: tests/e2e/79-school-erp.sh.
 */
#include "job/school_manifest.h"

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

static void put_bytes(const char *path, struct slice bytes)
{
    AUTO(buf) struct buf tmp = {0};
    bool is_suspect = false;

    buf_printf(&tmp, "%s.tmp", path);
    CHECK_OK(file_publish_replace(AT_FDCWD, path, buf_string(&tmp), bytes, &is_suspect, e));
}

/* Manifests */

static const struct school_signer signer = {{9, 8, 7}};
static const struct school_signer other_signer = {{1}};

static void manifest_of(const char *file, char out[SCHOOL_MANIFEST_ROOM])
{
    school_manifest_name(file, out);
}

/* A backup and its manifest, as making one leaves them. */
static void put_signed(const struct school_place *p, const char *file, const char *text)
{
    struct school_made made = {0};
    struct hash sum;
    uint64_t size = 0;
    AUTO(fd) int dirfd = -1;
    AUTO(fd) int fd = -1;

    seal(path_in(p->folder, file), text);
    CHECK_OK(dir_open(p->folder, &dirfd, e));
    CHECK_OK(file_open(path_in(p->folder, file), &fd, e));
    CHECK_OK(school_name_parse(file, &made.backup.name, e));
    memcpy(made.backup.file, file, strlen(file) + 1);
    CHECK_OK(school_file_check(&fd, &key, &made.facts, e));
    CHECK_OK(school_file_sum(fd, &sum, &size, e));
    made.backup.size = size;
    CHECK_OK(school_manifest_put(dirfd, p, &made, &sum, e));
}

/* What the list says of the only backup. */
static enum school_proof proof_of(const struct school_place *p, const char *doubt)
{
    AUTO(school_list) struct school_list l = {0};

    CHECK_OK(school_backup_list(p, &l, e));
    ck_assert_uint_eq(l.count, 1);
    ck_assert_str_eq(l.items[0].doubt, doubt);
    return l.items[0].proof;
}

static void restore_works(const struct school_place *p, const char *id, enum school_proof proof)
{
    const struct school_restoring how = {0};
    AUTO(school_restored) struct school_restored r = {0};

    CHECK_OK(school_backup_restore(p, id, &how, &r, e));
    ck_assert_int_eq((int)r.backup.proof, (int)proof);
}

static void rename_in(const char *folder, const char *from, const char *to)
{
    AUTO(fd) int dirfd = -1;

    CHECK_OK(dir_open(folder, &dirfd, e));
    CHECK_OK(beneath_rename(dirfd, from, to, e));
}

TEST(a_file_that_is_not_the_one_that_was_signed_is_refused)
{
    AUTO(scratch) struct scratch s;
    char old_manifest[SCHOOL_MANIFEST_ROOM];
    char new_manifest[SCHOOL_MANIFEST_ROOM];
    AUTO(buf) struct buf bytes = {0};
    struct stat st;

    scratch_init(&s);

    const struct school_place p = {.folder = s.path, .key = &key, .signer = &signer};

    manifest_of(OLD, old_manifest);
    manifest_of(NEW, new_manifest);
    put_signed(&p, OLD, HEAD "{}}");
    ck_assert_int_eq(stat(path_in(s.path, old_manifest), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq((int)proof_of(&p, ""), SCHOOL_PROVEN);
    restore_works(&p, OLD, SCHOOL_PROVEN);

    /* Sealed again with the same key: authentic, and another. */
    CHECK_OK(file_read(path_in(s.path, OLD), 1 << 20, &bytes, e));
    seal(path_in(s.path, OLD), HEAD "{}}");
    ck_assert_int_eq((int)proof_of(&p, "it is not the file that was written under this name"),
                     SCHOOL_REFUTED);
    restore_fails(&p, OLD, ERR_CORRUPT, "it is not the file that was written under this name");

    /* Under another name, with its manifest. */
    put_bytes(path_in(s.path, OLD), buf_slice(&bytes));
    restore_works(&p, OLD, SCHOOL_PROVEN);
    rename_in(s.path, OLD, NEW);
    rename_in(s.path, old_manifest, new_manifest);
    ck_assert_int_eq((int)proof_of(&p, "its manifest is that of another backup"), SCHOOL_REFUTED);
    restore_fails(&p, NEW, ERR_CORRUPT, "its manifest is that of another backup");

    /* Without one it is what it was before there were any. */
    ck_assert_int_eq(unlink(path_in(s.path, new_manifest)), 0);
    ck_assert_int_eq((int)proof_of(&p, "it has no manifest"), SCHOOL_UNSIGNED);
    restore_works(&p, NEW, SCHOOL_UNSIGNED);
    put_signed(&p, NEW, HEAD "{}}");

    const struct school_place q = {.folder = s.path, .key = &key, .signer = &other_signer};

    ck_assert_int_eq((int)proof_of(&q, "its manifest was signed with another key"), SCHOOL_FOREIGN);
    restore_works(&q, NEW, SCHOOL_FOREIGN);
    /* What looks at none is not stopped by one. */
    file_put_text(path_in(s.path, new_manifest), "{}");
    restore_fails(&p, NEW, ERR_CORRUPT, "its manifest is damaged");
    restore_works(&(struct school_place){.folder = s.path, .key = &key}, NEW, SCHOOL_UNSIGNED);
}
END

TEST(no_byte_of_a_manifest_can_be_changed)
{
    AUTO(scratch) struct scratch s;
    char name[SCHOOL_MANIFEST_ROOM];
    AUTO(buf) struct buf text = {0};
    size_t refuted = 0;

    scratch_init(&s);

    const struct school_place p = {.folder = s.path, .key = &key, .signer = &signer};

    manifest_of(OLD, name);
    put_signed(&p, OLD, HEAD "{\"users\":[{\"id\":1}]}}");
    CHECK_OK(file_read(path_in(s.path, name), SCHOOL_MANIFEST_MAX, &text, e));
    ck_assert_ptr_nonnull(strstr(buf_string(&text), "\"tables\":{\"users\":1}"));
    for (size_t i = 0; i < text.size; i++) {
        AUTO(school_list) struct school_list l = {0};

        text.data[i] ^= 1;
        put_bytes(path_in(s.path, name), buf_slice(&text));
        text.data[i] ^= 1;
        CHECK_OK(school_backup_list(&p, &l, e));
        ck_assert_msg(l.items[0].proof == SCHOOL_REFUTED || l.items[0].proof == SCHOOL_FOREIGN,
                      "byte %zu", i);
        refuted += l.items[0].proof == SCHOOL_REFUTED;
    }
    ck_assert_uint_ge(refuted, text.size - 16); /* the digits of the signer are the others */
    put_bytes(path_in(s.path, name), SLICE_OF(text.data, text.size - 1));
    restore_fails(&p, OLD, ERR_CORRUPT, "its manifest is damaged");
    put_bytes(path_in(s.path, name), (struct slice){0});
    restore_fails(&p, OLD, ERR_CORRUPT, "its manifest is damaged");
    ck_assert_int_eq(unlink(path_in(s.path, name)), 0);
    ck_assert_int_eq(symlink("/dev/null", path_in(s.path, name)), 0);
    restore_fails(&p, OLD, ERR_CORRUPT, "its manifest is damaged");
    ck_assert_int_eq(unlink(path_in(s.path, name)), 0);
    ck_assert_int_eq(mkdir(path_in(s.path, name), 0700), 0);
    restore_fails(&p, OLD, ERR_CORRUPT, "its manifest is damaged");
}
END

TEST(the_key_of_manifests_is_made_once_and_for_us_alone)
{
    AUTO(scratch) struct scratch s;
    struct school_signer first;
    struct school_signer again;
    struct stat st;

    scratch_init(&s);

    const char *path = path_in(s.path, "state/deep/key");

    CHECK_ERR(school_signer_read(path, &first, e), ERR_NOT_FOUND);
    CHECK_OK(school_signer_get(path, &first, e));
    CHECK_OK(school_signer_get(path, &again, e));
    ck_assert_mem_eq(first.bytes, again.bytes, sizeof(first.bytes));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    file_put_text(path, "0123\n");
    CHECK_ERR(school_signer_get(path, &again, e), ERR_USAGE);
}
END

/* Deleting with a delay */

TEST(what_was_deleted_is_hidden_and_kept_until_its_time)
{
    AUTO(scratch) struct scratch s;
    AUTO(school_deleted_list) struct school_deleted_list l = {0};
    AUTO(school_list) struct school_list kept = {0};
    struct school_logged logged;
    struct school_backup back;
    uint64_t removed = 9;

    scratch_init(&s);

    const struct school_place p = {.folder = s.path, .key = &key, .signer = &signer};

    put_signed(&p, OLD, HEAD "{}}");
    put_signed(&p, NEW, HEAD "{}}");
    CHECK_ERR(school_backup_mark(&p, "../" OLD, 1000, &logged, e), ERR_USAGE);
    CHECK_ERR(school_backup_mark(&p, OTHER, 1000, &logged, e), ERR_NOT_FOUND);
    CHECK_OK(school_backup_mark(&p, "000000000000000000000000000000a1", 2000, &logged, e));
    CHECK_OK(school_backup_mark(&p, NEW, 1000, &logged, e));
    CHECK_OK(school_backup_list(&p, &kept, e));
    ck_assert_uint_eq(kept.count, 0);
    restore_fails(&p, OLD, ERR_NOT_FOUND, "Backup file not found on disk");
    CHECK_OK(school_deleted_get(&p, &l, e));
    ck_assert_uint_eq(l.count, 2);
    ck_assert_str_eq(l.items[0].backup.file, NEW);
    ck_assert_int_eq(l.items[0].due_s, 1000);
    ck_assert_str_eq(l.items[1].backup.file, OLD);

    /* Not before its time, and each by its own. */
    CHECK_OK(school_backup_sweep(&p, 999, &removed, &logged, e));
    ck_assert_uint_eq(removed, 0);
    CHECK_OK(school_backup_sweep(&p, 1000, &removed, &logged, e));
    ck_assert_uint_eq(removed, 1);
    CHECK_ERR(school_backup_unmark(&p, NEW, &back, &logged, e), ERR_NOT_FOUND);
    ck_assert_uint_eq(directory_count(s.path), 2); /* the other one and its manifest */
    CHECK_OK(school_backup_unmark(&p, "000000000000000000000000000000A1", &back, &logged, e));
    ck_assert_str_eq(back.file, OLD);
    restore_works(&p, OLD, SCHOOL_PROVEN);
    CHECK_ERR(school_backup_unmark(&p, OLD, &back, &logged, e), ERR_NOT_FOUND);
    CHECK_OK(school_backup_remove(&p, OLD, &logged, e));
    ck_assert_uint_eq(directory_count(s.path), 0);
}
END

TEST(undeleting_replaces_nothing_and_other_names_are_left_alone)
{
    AUTO(scratch) struct scratch s;
    struct school_logged logged;
    struct school_backup back;
    uint64_t removed = 9;

    scratch_init(&s);

    const struct school_place p = {.folder = s.path, .key = &key};

    seal(path_in(s.path, OLD), HEAD "{}}");
    CHECK_OK(school_backup_mark(&p, OLD, 1000, &logged, e));
    seal(path_in(s.path, OLD), HEAD "{}}");
    CHECK_ERR(school_backup_unmark(&p, OLD, &back, &logged, e), ERR_EXISTS);
    file_put_text(path_in(s.path, OLD ".deleted-"), "");
    file_put_text(path_in(s.path, OLD ".deleted--1"), "");
    file_put_text(path_in(s.path, OLD ".deleted-1x"), "");
    file_put_text(path_in(s.path, OLD ".deleted-99999999999999999999"), "");
    file_put_text(path_in(s.path, "x" OLD ".deleted-1"), "");
    ck_assert_int_eq(symlink(OLD, path_in(s.path, OLD ".deleted-1")), 0);
    CHECK_OK(school_backup_sweep(&p, 5000, &removed, &logged, e));
    ck_assert_uint_eq(removed, 1);
    ck_assert_uint_eq(directory_count(s.path), 7);
}
END

/* Copies */

TEST(a_copy_is_the_file_and_stands_in_the_manifest)
{
    AUTO(scratch) struct scratch s;
    AUTO(store) struct store *to = store_memory_new();
    AUTO(school_list) struct school_list l = {0};
    AUTO(buf) struct buf here = {0};
    AUTO(buf) struct buf there = {0};
    char object[SCHOOL_FILE_MAX];

    scratch_init(&s);

    const struct school_place p = {.folder = s.path, .key = &key, .signer = &signer};

    put_signed(&p, OLD, HEAD "{}}");
    CHECK_OK(school_backup_copy(&p, OLD, to, "s3:there/b", e));
    school_object_name(OLD, object);
    CHECK_OK(file_read(path_in(s.path, OLD), 1 << 20, &here, e));
    CHECK_OK(store_get_all(to, object, &there, e));
    ck_assert_uint_eq(there.size, here.size);
    ck_assert_mem_eq(there.data, here.data, here.size);
    CHECK_OK(school_backup_list(&p, &l, e));
    ck_assert_int_eq((int)l.items[0].proof, SCHOOL_PROVEN);
    ck_assert_str_eq(l.items[0].copies,
                     "s3:there/b/"
                     "backup-2025-11-21t10-03-35-495z-000000000000000000000000000000a1.enc");
    /* What is there is not replaced, and what is not proven not copied. */
    CHECK_ERR(school_backup_copy(&p, OLD, to, "s3:there/b", e), ERR_EXISTS);
    seal(path_in(s.path, NEW), HEAD "{}}");
    CHECK_ERR(school_backup_copy(&p, NEW, to, "s3:there/b", e), ERR_CORRUPT);
}
END

TESTS("school", files_that_are_no_backups_are_not_listed_and_the_newest_is_first,
      only_names_of_backups_are_looked_for, a_file_is_read_to_its_end_without_a_database,
      making_one_takes_a_key_that_nobody_knows_and_a_database,
      an_address_is_one_of_prisma_or_of_libpq,
      a_file_that_is_not_the_one_that_was_signed_is_refused, no_byte_of_a_manifest_can_be_changed,
      the_key_of_manifests_is_made_once_and_for_us_alone,
      what_was_deleted_is_hidden_and_kept_until_its_time,
      undeleting_replaces_nothing_and_other_names_are_left_alone,
      a_copy_is_the_file_and_stands_in_the_manifest)
