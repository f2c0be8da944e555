/*
 * A copy compared with its manifest: what is found by looking again must be what was written.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "source/source.h"
#include "source/sqlite_copy.h"

enum {
    SENTENCES_MAX = 100,
};

void sqlite_report_done(struct sqlite_report *r)
{
    buf_done(&r->text);
}

void sqlite_report_auto(struct sqlite_report *r)
{
    sqlite_report_done(r);
}

/* Count a difference; true when its sentence is to be appended. */
static bool report_counts(struct sqlite_report *r)
{
    return ++r->differences <= SENTENCES_MAX;
}

static void compare_number(struct sqlite_report *r, const char *what, int64_t wanted, int64_t found)
{
    if (wanted != found && report_counts(r))
        buf_printf(&r->text, "%s is %lld, should be %lld\n", what, (long long)found,
                   (long long)wanted);
}

static void compare_files(struct sqlite_report *r, const struct sqlite_manifest *wanted,
                          const struct sqlite_manifest *found)
{
    char sums[2][2 * HASH_SIZE + 1];

    compare_number(r, "the size of the file", (int64_t)wanted->size, (int64_t)found->size);
    if (!hash_is_equal(&wanted->sha256, &found->sha256) && report_counts(r)) {
        hex_encode(SLICE_OF(wanted->sha256.bytes, HASH_SIZE), sums[0]);
        hex_encode(SLICE_OF(found->sha256.bytes, HASH_SIZE), sums[1]);
        buf_printf(&r->text, "the SHA-256 of the file is %s, should be %s\n", sums[1], sums[0]);
    }
    compare_number(r, "the size of pages", wanted->page_size, found->page_size);
    compare_number(r, "the number of pages", wanted->page_count, found->page_count);
    compare_number(r, "user_version", wanted->user_version, found->user_version);
    compare_number(r, "application_id", wanted->application_id, found->application_id);
    compare_number(r, "auto_vacuum", wanted->auto_vacuum, found->auto_vacuum);
    if (strcmp(wanted->encoding, found->encoding) != 0 && report_counts(r))
        buf_printf(&r->text, "the encoding is %s, should be %s\n", found->encoding,
                   wanted->encoding);
}

static void compare_table(struct sqlite_report *r, const struct sqlite_table *wanted,
                          const struct sqlite_table *found)
{
    if (wanted->kind != found->kind && wanted->has_rows == found->has_rows && report_counts(r))
        buf_printf(&r->text, "table %s is of another kind\n", wanted->name);
    if (!wanted->has_rows)
        return;
    if (!found->has_rows) {
        if (report_counts(r))
            buf_printf(&r->text, "the rows of table %s could not be read\n", wanted->name);
        return;
    }
    r->tables++;
    r->rows += found->rows;
    if (wanted->rows != found->rows) {
        if (report_counts(r))
            buf_printf(&r->text, "table %s has %llu rows, should have %llu\n", wanted->name,
                       (unsigned long long)found->rows, (unsigned long long)wanted->rows);
        return;
    }
    if (memcmp(wanted->sum, found->sum, sizeof(wanted->sum)) != 0 && report_counts(r))
        buf_printf(&r->text, "rows of table %s differ\n", wanted->name);
}

/* Both lists are in order. */
static void compare_tables(struct sqlite_report *r, const struct sqlite_manifest *wanted,
                           const struct sqlite_manifest *found)
{
    size_t i = 0, j = 0;

    while (i < wanted->table_count || j < found->table_count) {
        const int order = i == wanted->table_count ? 1
                          : j == found->table_count
                              ? -1
                              : strcmp(wanted->tables[i].name, found->tables[j].name);

        if (order == 0)
            compare_table(r, &wanted->tables[i++], &found->tables[j++]);
        else if (order < 0 && report_counts(r))
            buf_printf(&r->text, "table %s is missing\n", wanted->tables[i++].name);
        else if (order < 0)
            i++;
        else if (report_counts(r))
            buf_printf(&r->text, "there is a table %s more\n", found->tables[j++].name);
        else
            j++;
    }
}

static void compare(struct sqlite_report *r, const struct sqlite_manifest *wanted,
                    const struct sqlite_manifest *found)
{
    if (wanted->fault_count > 0 && report_counts(r))
        buf_printf(&r->text, "the database was damaged when it was backed up: %s\n",
                   wanted->faults[0]);
    for (size_t i = 0; i < found->fault_count; i++)
        if (report_counts(r))
            buf_printf(&r->text, "the integrity check finds: %s\n", found->faults[i]);
    compare_files(r, wanted, found);
    /* Of a damaged database tables are only known by name. */
    if (found->fault_count == 0)
        compare_tables(r, wanted, found);
}

/* A copy that somebody uses is no longer what was restored, and its file not all of it. */
static bool is_alone(const char *path, struct err *e)
{
    static const char *const others[] = {"-wal", "-journal"};
    struct stat st = {0};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        AUTO(buf) struct buf other = {0};

        buf_printf(&other, "%s%s", path, others[i]);
        if (stat(buf_string(&other), &st) == 0 && st.st_size > 0)
            return err_set(e, ERR_TRANSIENT, "%s is in use: there is a file %s", path,
                           buf_string(&other));
    }
    return true;
}

bool sqlite_check(const char *path, struct slice manifest, struct sqlite_report *out, struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest wanted = {0};
    AUTO(sqlite_manifest) struct sqlite_manifest found = {0};
    struct sqlite_report report = {0};

    if (!sqlite_manifest_parse(manifest, &wanted, e))
        return err_wrap(e, "check %s", path);
    if (!is_alone(path, e))
        return false;

    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return err_sys(e, "open %s", path);
    if (!sqlite_manifest_look(fd, &found, e))
        return err_wrap(e, "check %s", path);
    compare(&report, &wanted, &found);
    *out = report;
    return true;
}
