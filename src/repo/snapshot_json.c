/*
 * The JSON of a snapshot: docs/FORMAT.md, "Documents in JSON".
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/snapshot.h"

enum { VERSION = 1 };

#define ARRAY_MAX  ((size_t)1000000)
#define SEQ_MAX    ((uint64_t)INT64_MAX - 1)
#define ID_TEXT    (2 * HASH_SIZE + 1)
#define WRITER_MAX (2 * SEAL_ID_SIZE + 1)

/* Members of "summary", which have the names that restic's JSON gave them. */
static const struct {
    const char *name;
    size_t offset;
} count_members[] = {
    {"files_new", offsetof(struct snapshot_counts, files_new)},
    {"files_changed", offsetof(struct snapshot_counts, files_changed)},
    {"files_unmodified", offsetof(struct snapshot_counts, files_unmodified)},
    {"dirs_new", offsetof(struct snapshot_counts, dirs_new)},
    {"dirs_changed", offsetof(struct snapshot_counts, dirs_changed)},
    {"dirs_unmodified", offsetof(struct snapshot_counts, dirs_unmodified)},
    {"data_blobs", offsetof(struct snapshot_counts, data_chunks)},
    {"tree_blobs", offsetof(struct snapshot_counts, tree_chunks)},
    {"data_added", offsetof(struct snapshot_counts, bytes_added)},
    {"data_added_packed", offsetof(struct snapshot_counts, bytes_stored)},
    {"total_files_processed", offsetof(struct snapshot_counts, total_files)},
    {"total_bytes_processed", offsetof(struct snapshot_counts, total_bytes)},
};

#define COUNT_MEMBERS (sizeof(count_members) / sizeof(count_members[0]))

/* Encoding.  Only text that is no UTF-8 can fail: Jansson then makes no string of it. */

static bool text_set(json_t *j, const char *name, const char *text, struct err *e)
{
    assert(text != NULL);
    if (json_object_set_new(j, name, json_string(text)) == 0)
        return true;
    return err_set(e, ERR_USAGE, "the snapshot's %s is not UTF-8", name);
}

static void time_set(json_t *j, const char *name, int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    clock_format(time_ns, text);
    json_object_set_new(j, name, json_string(text));
}

static void number_set(json_t *j, const char *name, uint64_t n)
{
    json_object_set_new(j, name, json_integer((json_int_t)n));
}

static void id_set(json_t *j, const char *name, const struct hash *id)
{
    char text[ID_TEXT];

    snapshot_id_text(id, text);
    json_object_set_new(j, name, json_string(text));
}

static void id_or_null_set(json_t *j, const char *name, bool is_set, const struct hash *id)
{
    if (is_set)
        id_set(j, name, id);
    else
        json_object_set_new(j, name, json_null());
}

static bool texts_set(json_t *j, const char *name, char *const *texts, size_t count, struct err *e)
{
    json_t *array = json_array();

    json_object_set_new(j, name, array);
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_string(texts[i])) != 0)
            return err_set(e, ERR_USAGE, "one of the snapshot's %s is not UTF-8", name);
    return true;
}

static bool incomplete_set(json_t *j, const struct snapshot *s, struct err *e)
{
    json_t *array = json_array();

    json_object_set_new(j, "incomplete", array);
    for (size_t i = 0; i < s->incomplete_count; i++) {
        json_t *item = json_object();

        json_array_append_new(array, item);
        if (!text_set(item, "path", s->incomplete[i].path, e) ||
            !text_set(item, "error", s->incomplete[i].error, e))
            return false;
    }
    return true;
}

static void counts_set(json_t *j, const struct snapshot_counts *c)
{
    json_t *summary = json_object();

    json_object_set_new(j, "summary", summary);
    for (size_t i = 0; i < COUNT_MEMBERS; i++) {
        uint64_t n = 0;

        memcpy(&n, (const uint8_t *)c + count_members[i].offset, sizeof(n));
        number_set(summary, count_members[i].name, n);
    }
    time_set(summary, "backup_start", c->started_ns);
    time_set(summary, "backup_end", c->ended_ns);
}

bool snapshot_encode(const struct snapshot *s, struct buf *out, struct err *e)
{
    AUTO(json) json_t *j = json_object();
    char writer[WRITER_MAX];

    number_set(j, "version", VERSION);
    time_set(j, "time", s->time_ns);
    time_set(j, "scan_started", s->scan_started_ns);
    id_set(j, "tree", &s->tree);
    if (!text_set(j, "host", s->host, e) || !text_set(j, "user", s->user, e))
        return false;
    number_set(j, "uid", s->uid);
    number_set(j, "gid", s->gid);
    if (!texts_set(j, "paths", s->paths, s->path_count, e))
        return false;
    if (s->set == NULL)
        json_object_set_new(j, "set", json_null());
    else if (!text_set(j, "set", s->set, e))
        return false;
    if (!texts_set(j, "tags", s->tags, s->tag_count, e))
        return false;

    id_or_null_set(j, "parent", s->has_parent, &s->parent);
    if (s->has_original)
        id_set(j, "original", &s->original);
    hex_encode(SLICE_OF(s->writer, sizeof(s->writer)), writer);
    json_object_set_new(j, "writer", json_string(writer));
    number_set(j, "seq", s->seq);
    id_or_null_set(j, "prev", s->has_prev, &s->prev);
    if (!text_set(j, "program", s->program, e) || !incomplete_set(j, s, e) ||
        (s->configuration != NULL && !text_set(j, "configuration", s->configuration, e)) ||
        (s->job != NULL && !text_set(j, "job", s->job, e)))
        return false;
    counts_set(j, &s->counts);
    json_append(j, out);
    return true;
}

/* Decoding */

static bool array_take(const json_t *j, const char *name, const json_t **out, struct err *e)
{
    const json_t *array = json_object_get(j, name);

    if (!json_is_array(array) || json_array_size(array) > ARRAY_MAX)
        return err_set(e, ERR_CORRUPT, "it has no list \"%s\" of at most %zu members", name,
                       ARRAY_MAX);
    *out = array;
    return true;
}

/* The texts of a list, each read as a member of an object would be. */
static bool texts_take(const json_t *j, const char *name, char ***out, size_t *count, struct err *e)
{
    const json_t *array = NULL;

    if (!array_take(j, name, &array, e))
        return false;

    const size_t size = json_array_size(array);

    *out = mem_array(size, sizeof(**out));
    for (*count = 0; *count < size; ++*count)
        if (!json_text(json_array_get(array, *count), &(*out)[*count]))
            return err_set(e, ERR_CORRUPT, "its list \"%s\" holds what is no text", name);
    return true;
}

static bool incomplete_take(const json_t *j, struct snapshot *s, struct err *e)
{
    const json_t *array = NULL;

    if (!array_take(j, "incomplete", &array, e))
        return false;

    const size_t size = json_array_size(array);

    s->incomplete = mem_array(size, sizeof(*s->incomplete));
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(array, i);

        /* Counted first, so that half of a member is released too. */
        s->incomplete_count++;
        if (!json_take_text(item, "path", false, &s->incomplete[i].path, e) ||
            !json_take_text(item, "error", false, &s->incomplete[i].error, e))
            return err_wrap(e, "member %zu of its list \"incomplete\"", i);
    }
    return true;
}

static bool counts_take(const json_t *j, struct snapshot_counts *out, struct err *e)
{
    const json_t *summary = json_object_get(j, "summary");

    for (size_t i = 0; i < COUNT_MEMBERS; i++) {
        uint64_t n = 0;

        if (!json_take_u64(summary, count_members[i].name, &n, e))
            return err_wrap(e, "its summary");
        memcpy((uint8_t *)out + count_members[i].offset, &n, sizeof(n));
    }
    if (!json_take_time(summary, "backup_start", &out->started_ns, e) ||
        !json_take_time(summary, "backup_end", &out->ended_ns, e))
        return err_wrap(e, "its summary");
    return true;
}

/* Longer than other texts may be: it tells of all sources of a set. */
static bool configuration_take(const json_t *j, struct snapshot *s, struct err *e)
{
    const json_t *value = json_object_get(j, "configuration");
    const size_t size = json_string_length(value);

    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value) || size > SNAPSHOT_CONFIGURATION_MAX ||
        strlen(json_string_value(value)) != size)
        return err_set(e, ERR_CORRUPT,
                       "its member \"configuration\" is no text of at most %zu bytes",
                       SNAPSHOT_CONFIGURATION_MAX);
    s->configuration = mem_string(json_string_value(value));
    return true;
}

static bool job_take(const json_t *j, struct snapshot *s, struct err *e)
{
    if (!json_take_text(j, "job", true, &s->job, e))
        return false;
    if (s->job == NULL || (s->job[0] != '\0' && strlen(s->job) <= SNAPSHOT_JOB_MAX))
        return true;
    return err_set(e, ERR_CORRUPT, "its member \"job\" is no text of 1 to %zu bytes",
                   SNAPSHOT_JOB_MAX);
}

static bool u32_take(const json_t *j, const char *name, uint32_t *out, struct err *e)
{
    uint64_t n = 0;

    if (!json_take_u64(j, name, &n, e))
        return false;
    if (n > UINT32_MAX)
        return err_set(e, ERR_CORRUPT, "its member \"%s\" is above 32 bits", name);
    *out = (uint32_t)n;
    return true;
}

static bool id_take(const json_t *j, const char *name, struct hash *out, struct err *e)
{
    return json_take_hex(j, name, out->bytes, HASH_SIZE, e);
}

static bool id_or_null_take(const json_t *j, const char *name, bool *is_set, struct hash *out,
                            struct err *e)
{
    const json_t *value = json_object_get(j, name);

    *is_set = value != NULL && !json_is_null(value);
    return !*is_set || id_take(j, name, out, e);
}

static bool version_check(const json_t *j, struct err *e)
{
    uint64_t version = 0;

    if (!json_take_u64(j, "version", &version, e))
        return false;
    if (version > VERSION)
        return err_set(e, ERR_USAGE, "its version is %llu and needs a newer program",
                       (unsigned long long)version);
    return version == VERSION || err_set(e, ERR_CORRUPT, "its version is 0");
}

static bool origin_take(const json_t *j, struct snapshot *s, struct err *e)
{
    return json_take_text(j, "host", false, &s->host, e) &&
           json_take_text(j, "user", false, &s->user, e) && u32_take(j, "uid", &s->uid, e) &&
           u32_take(j, "gid", &s->gid, e) && texts_take(j, "paths", &s->paths, &s->path_count, e) &&
           json_take_text(j, "set", true, &s->set, e) &&
           texts_take(j, "tags", &s->tags, &s->tag_count, e) &&
           json_take_text(j, "program", false, &s->program, e);
}

static bool chain_take(const json_t *j, struct snapshot *s, struct err *e)
{
    if (!id_or_null_take(j, "parent", &s->has_parent, &s->parent, e) ||
        !id_or_null_take(j, "original", &s->has_original, &s->original, e) ||
        !json_take_hex(j, "writer", s->writer, sizeof(s->writer), e) ||
        !json_take_u64(j, "seq", &s->seq, e) ||
        !id_or_null_take(j, "prev", &s->has_prev, &s->prev, e))
        return false;
    if (s->seq < 1 || s->seq > SEQ_MAX)
        return err_set(e, ERR_CORRUPT, "its member \"seq\" is out of range");
    return true;
}

bool snapshot_decode(struct slice plain, struct snapshot **out, struct err *e)
{
    AUTO(json) json_t *j = NULL;
    AUTO(snapshot) struct snapshot *s = snapshot_new();

    if (!document_parse(plain, &j, e) || !version_check(j, e) ||
        !json_take_time(j, "time", &s->time_ns, e) ||
        !json_take_time(j, "scan_started", &s->scan_started_ns, e) ||
        !id_take(j, "tree", &s->tree, e) || !origin_take(j, s, e) || !chain_take(j, s, e) ||
        !configuration_take(j, s, e) || !job_take(j, s, e) || !incomplete_take(j, s, e) ||
        !counts_take(j, &s->counts, e))
        return false;
    *out = TAKE(s);
    return true;
}
