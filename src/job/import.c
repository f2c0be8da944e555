#include "job/import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "job/import_private.h"

#define PIECE ((size_t)128 << 10)

void import_free(struct import *i)
{
    if (i == NULL)
        return;
    member_free(i->member);
    import_parser_auto(&i->parser);
    fd_auto(&i->fd);
    fd_auto(&i->folder_fd);
    mem_free(i->name);
    mem_free(i->paths);
    mem_free(i->parts);
    arena_done(&i->texts);
    buf_done(&i->manifest);
    mem_free(i);
}

void import_auto(struct import **i)
{
    import_free(*i);
}

const struct import_found *import_found(const struct import *i)
{
    return &i->found;
}

struct member *import_member(struct import *i)
{
    return i->member;
}

/* Hearing what was found */

static bool odd(struct err *e)
{
    return err_set(e, ERR_FATAL, "the process that reads the archive said what it cannot say");
}

static void take_text(const json_t *j, const char *key, char *out, size_t room)
{
    const char *text = json_string_value(json_object_get(j, key));

    text_flatten(slice_string(text == NULL ? "" : text), out, room);
}

bool import_take_found(struct slice payload, struct import_found *out, struct hash *sum,
                       struct err *e)
{
    AUTO(json) json_t *j = json_loadb((const char *)payload.data, payload.size, 0, NULL);
    const char *kind = json_string_value(json_object_get(j, "kind"));
    const char *digits = json_string_value(json_object_get(j, "sha256"));
    struct foreign_facts *f = &out->facts;

    if (kind == NULL || !foreign_kind_parse(kind, &out->kind) || digits == NULL ||
        strlen(digits) != 2 * (size_t)HASH_SIZE || !hex_decode(digits, sum->bytes, HASH_SIZE))
        return odd(e);
    take_text(j, "version", f->version, sizeof(f->version));
    take_text(j, "created", f->created, sizeof(f->created));
    take_text(j, "why", f->why, sizeof(f->why));
    take_text(j, "note", f->note, sizeof(f->note));
    f->is_authenticated = json_is_true(json_object_get(j, "authenticated"));
    return out->kind != FOREIGN_BUNDLE ||
           bundle_note_parse(json_object_get(j, "bundle"), &f->bundle, e);
}

static bool take_part(struct import *i, struct slice payload, struct err *e)
{
    struct import_part *p;
    struct slice sum;
    size_t n = i->found.count;

    if (n == PARTS_COUNT_MAX)
        return odd(e);
    if (n == i->room) {
        i->room = n > 0 ? 2 * n : 64;
        i->parts = mem_resize(i->parts, i->room, sizeof(*i->parts));
        i->paths = mem_resize(i->paths, i->room, sizeof(*i->paths));
    }
    p = &i->parts[n];
    if (!take_u64(&payload, &p->size) || !take_slice(&payload, HASH_SIZE, &sum) ||
        payload.size > PARTS_PATH_MAX || memchr(payload.data, '\0', payload.size) != NULL ||
        UINT64_MAX - i->found.part_bytes < p->size)
        return odd(e);
    memcpy(p->sum.bytes, sum.data, HASH_SIZE);
    i->paths[n] = arena_string(&i->texts, payload);
    i->found.part_bytes += p->size;
    i->found.count++;
    return true;
}

static bool hear_all(struct import *i, struct err *e)
{
    enum frame type;
    struct slice payload;

    if (!import_parser_next(&i->parser, &type, &payload, e))
        return false;
    if (type != FRAME_FOUND)
        return odd(e);
    if (!import_take_found(payload, &i->found, &i->sum, e))
        return false;
    for (;;) {
        if (!import_parser_next(&i->parser, &type, &payload, e))
            return false;
        if (type == FRAME_END)
            return parts_check(i->paths, i->found.count, e);
        if (type != FRAME_PART)
            return odd(e);
        if (!take_part(i, payload, e))
            return false;
    }
}

/* Into the backup */

static bool changed(struct err *e)
{
    return err_set(e, ERR_TRANSIENT, "the archive changed while it was read");
}

/* It was right when it was looked at: what is wrong with it now is that it is another one. */
static bool hear_again(struct import *i, enum frame *type, struct slice *payload, struct err *e)
{
    if (import_parser_next(&i->parser, type, payload, e))
        return true;
    return e->code == ERR_CORRUPT || e->code == ERR_USAGE ? changed(e) : false;
}

static bool send_whole(struct import *i, struct parts_way *to, struct err *e)
{
    AUTO(mem) uint8_t *bytes = mem_new(PIECE);
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    struct hash sum;
    uint64_t at = 0;
    size_t got = 0;

    if (!parts_way_begin(to, PARTS_WHOLE, e))
        return false;
    do {
        if (cancel_is_requested())
            return cancel_err(e);
        if (!fd_read_at(i->fd, at, bytes, PIECE, &got, e))
            return err_wrap(e, "read the archive");
        sha256_stream_add(s, SLICE_OF(bytes, got));
        at += got;
        if (!parts_way_add(to, SLICE_OF(bytes, got), e))
            return false;
    } while (got == PIECE && at <= i->found.file_bytes);
    sha256_stream_finish(s, &sum);
    return at == i->found.file_bytes && hash_is_equal(&sum, &i->sum) ? parts_way_end(to, e)
                                                                     : changed(e);
}

/* What the process says is what it said before: anything else is another file. */
static bool hand_part(struct import *i, size_t n, const struct import_taker *to, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    enum frame type;
    struct slice payload;
    struct hash sum;
    uint64_t size = 0;

    if (!hear_again(i, &type, &payload, e))
        return false;
    if (type != FRAME_BEGIN)
        return changed(e);
    if (!to->begin(to->arg, n, e))
        return false;
    for (;;) {
        if (!hear_again(i, &type, &payload, e))
            return false;
        if (type != FRAME_BYTES)
            break;
        size += payload.size;
        sha256_stream_add(s, payload);
        if (size > i->parts[n].size)
            return changed(e);
        if (!to->bytes(to->arg, payload, e))
            return false;
    }
    sha256_stream_finish(s, &sum);
    return type == FRAME_READY && size == i->parts[n].size && hash_is_equal(&sum, &i->parts[n].sum)
               ? to->end(to->arg, e)
               : changed(e);
}

bool import_hand_over(struct import *i, const struct import_taker *to, struct err *e)
{
    enum frame type;
    struct slice payload;

    if (!import_parser_go(&i->parser, e))
        return false;
    for (size_t n = 0; n < i->found.count; n++)
        if (!hand_part(i, n, to, e))
            return false;
    return hear_again(i, &type, &payload, e) && (type == FRAME_END || changed(e));
}

static bool way_begin(void *arg, size_t part, struct err *e)
{
    return parts_way_begin(arg, part, e);
}

static bool way_bytes(void *arg, struct slice bytes, struct err *e)
{
    return parts_way_add(arg, bytes, e);
}

static bool way_end(void *arg, struct err *e)
{
    return parts_way_end(arg, e);
}

static bool feed(void *arg, struct parts_way *to, struct err *e)
{
    const struct import_taker taker = {to, way_begin, way_bytes, way_end};

    return send_whole(arg, to, e) && import_hand_over(arg, &taker, e);
}

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}

static json_t *file_json(const char *name_key, const char *name, uint64_t size,
                         const struct hash *sum)
{
    char digits[2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(sum->bytes, HASH_SIZE), digits);
    return json_pack("{s:s, s:I, s:s}", name_key, name, "size", (json_int_t)size, "sha256", digits);
}

static void make_manifest(struct import *i)
{
    const struct foreign_facts *f = &i->found.facts;
    AUTO(json)
    json_t *head =
        json_pack("{s:i, s:s, s:o, s:o, s:b, s:o, s:o, s:o}", "format", 1, "kind",
                  foreign_kind_name(i->found.kind), "version", text_or_null(f->version), "created",
                  text_or_null(f->created), "authenticated", f->is_authenticated, "why",
                  text_or_null(f->why), "note", text_or_null(f->note), "file",
                  file_json("name", i->name, i->found.file_bytes, &i->sum));

    json_append(head, &i->manifest);
    i->manifest.size--; /* the brace at its end */
    buf_printf(&i->manifest, ", \"parts\": [");
    for (size_t n = 0; n < i->found.count; n++) {
        AUTO(json)
        json_t *j = file_json("path", i->paths[n], i->parts[n].size, &i->parts[n].sum);

        buf_printf(&i->manifest, "%s\n ", n == 0 ? "" : ",");
        json_append(j, &i->manifest);
    }
    buf_printf(&i->manifest, "]}\n");
}

static bool make_member(struct import *i, struct err *e)
{
    make_manifest(i);

    const struct parts_options o = {.name = i->name,
                                    .paths = i->paths,
                                    .count = i->found.count,
                                    .manifest = buf_slice(&i->manifest),
                                    .feed = feed,
                                    .arg = i};

    return parts_member_new(&o, &i->member, e);
}

/* Opening */

bool import_open_file(int dirfd, const char *name, int flags, int *fd, uint64_t *size,
                      struct err *e)
{
    AUTO(fd) int opened = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    struct stat st;

    if (opened < 0 || fstat(opened, &st) < 0)
        return err_sys(e, "open %s", name);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, "%s is no regular file, and an archive is read several times",
                       name);
    if ((uint64_t)st.st_size > IMPORT_FILE_MAX)
        return err_set(e, ERR_USAGE, "%s is longer than any archive that is known here (2 TiB)",
                       name);
    *size = (uint64_t)st.st_size;
    *fd = opened;
    opened = -1;
    return true;
}

static bool choose_name(struct import *i, const struct import_options *o, struct err *e)
{
    const char *slash = strrchr(o->path, '/');
    const char *name = o->name != NULL ? o->name : slash != NULL ? slash + 1 : o->path;

    for (const char *at = name; *at != '\0'; at++)
        if ((uint8_t)*at < 0x20 || *at == 0x7f)
            return err_set(e, ERR_USAGE, "control characters in the name: choose one with --name");
    if (!utf8_is_valid(slice_string(name)))
        return err_set(e, ERR_USAGE, "the file's name is not UTF-8: choose one with --name");
    if (strlen(name) > PARTS_NAME_MAX)
        return err_set(e, ERR_USAGE, "the name is longer than %zu bytes: choose one with --name",
                       PARTS_NAME_MAX);
    i->name = mem_string(name);
    return true;
}

static bool look_at_file(struct import *i, const struct import_options *o, struct err *e)
{
    if (!import_open_file(AT_FDCWD, o->path, 0, &i->fd, &i->found.file_bytes, e) ||
        !import_parser_start(i->fd, i->found.file_bytes, o, &i->parser, e) || !hear_all(i, e))
        return false;
    if (i->found.kind == FOREIGN_BUNDLE)
        return import_bundle_file(i, o, e);
    if (!choose_name(i, o, e) || !make_member(i, e))
        return false;
    i->found.name = i->name;
    return true;
}

bool import_look(const struct import_options *o, struct import **out, struct err *e)
{
    AUTO(import) struct import *i = mem_new(sizeof(*i));
    enum foreign_kind kind;
    struct stat st;

    i->fd = -1;
    i->parser = IMPORT_PARSER_NONE;
    i->folder_fd = -1;
    if (!import_kind_of(o->as, &kind, e))
        return false;
    if (stat(o->path, &st) < 0)
        return err_sys(e, "%s", o->path);
    if (!(S_ISDIR(st.st_mode) ? import_bundle_folder(i, o, e) : look_at_file(i, o, e)))
        return err_wrap(e, "%s", o->path);
    *out = TAKE(i);
    return true;
}
