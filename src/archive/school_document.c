/*
 * The document, row by row.  What a row holds is passed on as it stands; its members are between
 * the application and its database.
 */
#include <assert.h>
#include <string.h>

#include "archive/school_document.h"
#include "base/mem.h"

const struct school_table school_tables[SCHOOL_TABLES] = {
    {"users", "User"},
    {"administrators", "Administrator"},
    {"teachers", "Teacher"},
    {"students", "Student"},
    {"parents", "Parent"},
    {"academicYears", "AcademicYear"},
    {"terms", "Term"},
    {"classes", "Class"},
    {"sections", "ClassSection"},
    {"subjects", "Subject"},
    {"studentAttendance", "StudentAttendance"},
    {"exams", "Exam"},
    {"examResults", "ExamResult"},
    {"assignments", "Assignment"},
    {"feeStructures", "FeeStructure"},
    {"feePayments", "FeePayment"},
    {"announcements", "Announcement"},
    {"messages", "Message"},
    {"notifications", "Notification"},
    {"documents", "Document"},
    {"events", "Event"},
    {"auditLogs", "audit_logs"},
};

/* Users and the calendar first, then who refers to them. */
const uint8_t school_restore_order[SCHOOL_TABLES] = {0,  5,  6,  7,  8,  9,  1,  2,  3,  4,  10,
                                                     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};

/* Around a row: names of members and tables. */
#define SMALL ((size_t)1000)

struct reading {
    json_read_fn *read;
    void *arg;
    const struct school_rows *rows;
    struct sha256_stream *sum;
    struct school_facts facts;
    bool has_version, has_stamp, has_tables;
    struct json_reader json;
    char **others; /* names of the tables that are not known */
    struct buf row;
};

static void reading_auto(struct reading *d)
{
    for (size_t i = 0; i < d->facts.others; i++)
        mem_free(d->others[i]);
    mem_free(d->others);
    sha256_stream_free(d->sum);
    json_reader_auto(&d->json);
    buf_done(&d->row);
}

/* As json_read_fn: count what passes. */
static bool read_counted(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct reading *d = arg;

    if (!d->read(d->arg, to, room, got, e))
        return false;
    sha256_stream_add(d->sum, SLICE_OF(to, *got));
    d->facts.size += *got;
    return true;
}

static bool text_is(const struct json_reader *r, const char *text)
{
    return slice_is_equal(buf_slice(&r->text), slice_string(text));
}

static bool invalid(struct err *e, const char *why)
{
    return err_set(e, ERR_CORRUPT, "Invalid backup format: %s", why);
}

static bool next_is(struct reading *d, enum json_token wanted, const char *why, struct err *e)
{
    enum json_token token;

    return json_reader_next(&d->json, &token, e) && (token == wanted || invalid(e, why));
}

static bool read_row(struct reading *d, int table, const char *name, struct err *e)
{
    buf_clear(&d->row);
    json_reader_limit(&d->json, SCHOOL_ROW_MAX);
    if (!json_reader_raw(&d->json, &d->row, e))
        return false;
    if (d->row.data[0] != '{')
        return invalid(e, "a row is no object");
    return d->rows->fn == NULL || d->rows->fn(d->rows->arg, table, name, buf_slice(&d->row), e);
}

static bool read_rows(struct reading *d, int table, const char *name, struct err *e)
{
    uint64_t *count = table >= 0 ? &d->facts.rows[table] : &d->facts.other_rows;
    bool more;

    if (!next_is(d, JSON_TOKEN_ARRAY, "it is no list", e))
        return false;
    for (;; ++*count) {
        if (!json_reader_more(&d->json, &more, e))
            return false;
        if (!more)
            return true;
        if (!read_row(d, table, name, e))
            return false;
    }
}

/* Note that the table is there; *out is its index or -1. */
static bool note_table(struct reading *d, const char *name, int *out, struct err *e)
{
    for (int i = 0; i < SCHOOL_TABLES; i++)
        if (strcmp(name, school_tables[i].name) == 0) {
            if (d->facts.has[i])
                return invalid(e, "it stands there twice");
            d->facts.has[i] = true;
            *out = i;
            return true;
        }
    for (size_t i = 0; i < d->facts.others; i++)
        if (strcmp(name, d->others[i]) == 0)
            return invalid(e, "it stands there twice");
    if (d->facts.others == SCHOOL_OTHERS_MAX)
        return invalid(e, "there are too many tables");
    if (d->others == NULL)
        d->others = mem_array(SCHOOL_OTHERS_MAX, sizeof(d->others[0]));
    d->others[d->facts.others++] = mem_string(name);
    *out = -1;
    return true;
}

/* Names of tables become part of sentences and of other names. */
static bool is_plain(struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < ' ' || name.data[i] == 0x7f)
            return false;
    return name.size > 0 && name.size <= SCHOOL_NAME_MAX;
}

/* Behind its name. */
static bool read_table(struct reading *d, struct err *e)
{
    char name[SCHOOL_NAME_MAX + 1];
    int table = -1;

    if (!is_plain(buf_slice(&d->json.text)))
        return invalid(e, "a table has no name of 1 to 100 printable characters");
    memcpy(name, d->json.text.data, d->json.text.size);
    name[d->json.text.size] = '\0';
    if (!note_table(d, name, &table, e) || !read_rows(d, table, name, e))
        return err_wrap(e, "table %s", name);
    return true;
}

static bool read_tables(struct reading *d, struct err *e)
{
    enum json_token token;

    if (d->has_tables)
        return invalid(e, "tables stands there twice");
    d->has_tables = true;
    if (!next_is(d, JSON_TOKEN_OBJECT, "tables is no object", e))
        return false;
    for (;;) {
        json_reader_limit(&d->json, SMALL);
        if (!json_reader_next(&d->json, &token, e))
            return false;
        if (token == JSON_TOKEN_OBJECT_END)
            return true;
        if (!read_table(d, e))
            return false;
    }
}

static bool read_version(struct reading *d, struct err *e)
{
    if (d->has_version)
        return invalid(e, "version stands there twice");
    d->has_version = true;
    if (!next_is(d, JSON_TOKEN_TEXT, "version is no text", e))
        return false;
    return text_is(&d->json, "1.0") || invalid(e, "its version is not 1.0");
}

static bool read_timestamp(struct reading *d, struct err *e)
{
    int64_t time_ns;

    if (d->has_stamp)
        return invalid(e, "timestamp stands there twice");
    d->has_stamp = true;
    if (!next_is(d, JSON_TOKEN_TEXT, "timestamp is no text", e) ||
        !school_stamp_parse(buf_slice(&d->json.text), &time_ns, e))
        return false;
    school_stamp_format(time_ns, d->facts.timestamp);
    return true;
}

/* The application writes these three members and asks for them; who knows what others mean? */
static bool read_member(struct reading *d, struct err *e)
{
    if (text_is(&d->json, "version"))
        return read_version(d, e);
    if (text_is(&d->json, "timestamp"))
        return read_timestamp(d, e);
    if (text_is(&d->json, "tables"))
        return read_tables(d, e);
    return invalid(e, "it has a member besides version, timestamp and tables");
}

static bool read_document(struct reading *d, struct err *e)
{
    enum json_token token;

    if (!next_is(d, JSON_TOKEN_OBJECT, "it is no object", e))
        return false;
    for (;;) {
        json_reader_limit(&d->json, SMALL);
        if (!json_reader_next(&d->json, &token, e))
            return false;
        if (token == JSON_TOKEN_OBJECT_END)
            break;
        if (!read_member(d, e))
            return false;
    }
    if (!d->has_version || !d->has_stamp || !d->has_tables)
        return invalid(e, "it lacks version, timestamp or tables");
    return next_is(d, JSON_TOKEN_END, "there is more behind it", e);
}

bool school_document_read(json_read_fn *read, void *arg, const struct school_rows *rows,
                          struct school_facts *out, struct err *e)
{
    AUTO(reading) struct reading d = {.read = read, .arg = arg, .rows = rows};

    d.sum = sha256_stream_new();
    json_reader_init(&d.json, read_counted, &d, SMALL);
    if (!read_document(&d, e))
        return false;
    sha256_stream_finish(d.sum, &d.facts.sha256);
    *out = d.facts;
    return true;
}
