#include <stdio.h>
#include <string.h>

#include "archive/bundle_json.h"
#include "archive/wireguard_zip.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json_writer.h"

#define PIECE ((size_t)64 << 10)

static void put_text(struct json_writer *w, const char *name, const char *text)
{
    json_writer_name(w, slice_string(name));
    json_writer_text(w, slice_string(text));
}

/* The names of members that are this, in the order of their table, without a folder. */
static void put_list(struct json_writer *w, const struct wireguard_making *m, const char *name,
                     enum wireguard_part wanted)
{
    enum wireguard_part part;

    json_writer_name(w, slice_string(name));
    json_writer_open(w, '[');
    for (size_t i = 0; i < m->count; i++) {
        const char *member = m->members[i].name;
        const char *base = strrchr(member, '/');

        /* The application never lists this one. */
        if (wireguard_part_of(member, &part) && part == wanted &&
            strcmp(member, "iptables_forward_rules.txt") != 0)
            json_writer_text(w, slice_string(base != NULL ? base + 1 : member));
    }
    json_writer_close(w, ']');
}

/* As Python's datetime.isoformat(): microseconds, unless they are none. */
static void put_created(struct json_writer *w, int64_t time_ns)
{
    char t[CLOCK_TEXT_MAX], text[CLOCK_TEXT_MAX + 8];
    const bool is_whole = time_ns / 1000 % 1000000 == 0;

    clock_format(time_ns, t);
    (void)snprintf(text, sizeof(text), "%.*s+00:00", is_whole ? 19 : 26, t);
    put_text(w, "created_at", text);
}

/* The sums of all members, which are read once more for that. */
static bool put_sums(struct json_writer *w, const struct wireguard_making *m, struct err *e)
{
    AUTO(mem) uint8_t *bytes = mem_new(PIECE);

    json_writer_name(w, slice_string("sha256"));
    json_writer_open(w, '{');
    for (size_t i = 0; i < m->count; i++) {
        const struct input *in = &m->members[i].data;
        AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
        char digits[2 * HASH_SIZE + 1];
        struct hash sum;

        for (uint64_t at = 0; at < in->size;) {
            const size_t size = in->size - at < PIECE ? (size_t)(in->size - at) : PIECE;

            if (!input_read(in, at, bytes, size, e))
                return err_wrap(e, "%s", m->members[i].name);
            sha256_stream_add(s, SLICE_OF(bytes, size));
            at += size;
        }
        sha256_stream_finish(s, &sum);
        hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), digits);
        put_text(w, m->members[i].name, digits);
    }
    json_writer_close(w, '}');
    return true;
}

static bool put_document(struct json_writer *w, const struct wireguard_making *m, struct err *e)
{
    char name[WIREGUARD_FILE_MAX];
    char stamp[16] = {0};

    wireguard_name_format(m->created_ns, name);
    memcpy(stamp, name + sizeof("wireguard_backup_") - 1, sizeof(stamp) - 1);
    json_writer_open(w, '{');
    put_text(w, "backup_version", "1.0");
    put_created(w, m->created_ns);
    put_text(w, "timestamp", stamp);
    json_writer_name(w, slice_string("system_info"));
    json_writer_open(w, '{');
    put_text(w, "platform", "posix");
    put_text(w, "instance_path", m->instance_path);
    json_writer_close(w, '}');
    json_writer_name(w, slice_string("contents"));
    json_writer_open(w, '{');
    put_list(w, m, "databases", WIREGUARD_DATABASE);
    put_list(w, m, "configs", WIREGUARD_CONF);
    put_list(w, m, "iptables_rules", WIREGUARD_RULES);
    json_writer_close(w, '}');
    if (m->with_sums && !put_sums(w, m, e))
        return false;
    json_writer_close(w, '}');
    return true;
}

/* As json.dump(indent=2) writes it. */
static bool make_metadata(const struct wireguard_making *m, struct buf *out, struct err *e)
{
    AUTO(json_writer) struct json_writer w = {0};
    AUTO(bundle_json) struct bundle_json j = {0};
    const struct output to = output_of_buf(out);
    const struct bundle_json_writing how = {.write = to.write, .arg = to.arg};

    return put_document(&w, m, e) && bundle_json_read(buf_slice(&w.out), NULL, NULL, &j, e) &&
           bundle_json_write(&j, buf_slice(&w.out), &how, e);
}

static bool check_members(const struct wireguard_making *m, struct err *e)
{
    enum wireguard_part part;
    bool has_database = false;

    for (size_t i = 0; i < m->count; i++) {
        const char *name = m->members[i].name;

        if (!wireguard_part_of(name, &part) || part == WIREGUARD_METADATA)
            return err_set(e, ERR_USAGE, "%s does not belong into a backup", name);
        has_database = has_database || part == WIREGUARD_DATABASE;
    }
    if (!utf8_is_valid(slice_string(m->instance_path)))
        return err_set(e, ERR_USAGE, "the application's folder is not UTF-8");
    return has_database || err_set(e, ERR_USAGE, "No database files found");
}

/* Those below configs/, or those that are not. */
static bool add_members(struct zip_writer *w, const struct wireguard_making *m, bool is_below,
                        struct err *e)
{
    enum wireguard_part part;

    for (size_t i = 0; i < m->count; i++) {
        (void)wireguard_part_of(m->members[i].name, &part); /* all do belong there */
        if ((part == WIREGUARD_CONF || part == WIREGUARD_OTHER) == is_below &&
            !zip_writer_add(w, &m->members[i], e))
            return false;
    }
    return true;
}

bool wireguard_zip_write(const struct wireguard_making *m, const struct output *to, struct err *e)
{
    AUTO(zip_writer) struct zip_writer *w = zip_writer_new(to, &zip_rules_python);
    AUTO(buf) struct buf metadata = {0};

    if (!check_members(m, e) || !make_metadata(m, &metadata, e))
        return false;

    const struct slice text = buf_slice(&metadata);
    const struct zip_member member = {"backup_metadata.json", m->created_ns, input_of_slice(&text)};

    return add_members(w, m, false, e) && zip_writer_add(w, &member, e) &&
           add_members(w, m, true, e) && zip_writer_finish(w, e);
}
