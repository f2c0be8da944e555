/*
 * The process that reads an archive: the other side of import_parser.c.  It is in its sandbox
 * before it gets here.
 */
#include <string.h>
#include <unistd.h>

#include "archive/in_out.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "codec/json.h"
#include "job/import_parser.h"

#define TICK_EVERY ((uint64_t)32 << 20)
#define READ_STEP  ((size_t)64 << 10)

/* The archive, and how much of it was read since we last said that we go on. */
struct ticking {
    struct input from;
    uint64_t since;
};

struct part {
    const char *name;
    uint64_t size;
    struct hash sum;
};

/* The parts that one reading finds. */
struct list {
    struct part *parts;
    size_t count, room, names;
    struct arena texts;
    struct sha256_stream *sum; /* of the part under way */
};

static void list_auto(struct list *l)
{
    mem_free(l->parts);
    arena_done(&l->texts);
    sha256_stream_free(l->sum);
}

/* What we are asked for, and what it turned out to be. */
struct work {
    struct ticking ticking;
    struct input from;      /* over ticking */
    enum foreign_kind wish; /* FOREIGN_KINDS: any */
    struct buf request;
    struct slice keys[IMPORT_KEYS_MAX]; /* of the request */
    size_t key_count;
    enum foreign_kind kind;
    struct slice key;
    struct foreign_facts facts;
    struct list found;
};

static void work_auto(struct work *w)
{
    if (w->request.size > 0)
        mem_wipe(w->request.data, w->request.size);
    buf_done(&w->request);
    list_auto(&w->found);
}

/* Saying */

bool import_say(enum frame type, struct slice payload, struct err *e)
{
    AUTO(buf) struct buf all = {0};

    buf_put_u8(&all, (uint8_t)type);
    buf_put_u32(&all, (uint32_t)payload.size);
    buf_append_slice(&all, payload);
    return fd_write(STDOUT_FILENO, buf_slice(&all), e);
}

static bool read_ticking(void *arg, uint64_t offset, void *to, size_t size, size_t *got,
                         struct err *e)
{
    struct ticking *t = arg;

    t->since += size;
    if (t->since >= TICK_EVERY) {
        t->since = 0;
        if (!import_say(FRAME_TICK, SLICE_OF(NULL, 0), e))
            return false;
    }
    return t->from.read_at(t->from.arg, offset, to, size, got, e);
}

/* Looking */

static bool list_begin(void *arg, const char *name, struct err *e)
{
    struct list *l = arg;
    const size_t size = strlen(name);

    if (l->count == PARTS_COUNT_MAX || IMPORT_NAMES_MAX - l->names < size)
        return err_set(e, ERR_CORRUPT, "it has more than %zu parts, or too long names",
                       PARTS_COUNT_MAX);
    if (l->count == l->room) {
        l->room = l->room > 0 ? 2 * l->room : 64;
        l->parts = mem_resize(l->parts, l->room, sizeof(*l->parts));
    }
    l->names += size;
    l->parts[l->count++] = (struct part){.name = arena_string(&l->texts, slice_string(name))};
    return true;
}

static bool list_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct list *l = arg;

    (void)e; /* it is only counted */
    l->parts[l->count - 1].size += bytes.size;
    sha256_stream_add(l->sum, bytes);
    return true;
}

static bool list_end(void *arg, struct err *e)
{
    struct list *l = arg;

    (void)e; /* as above */
    sha256_stream_finish(l->sum, &l->parts[l->count - 1].sum);
    return true;
}

/* Read it as one kind with one key; *fits and what it holds, or *why. */
static bool try_one(struct work *w, enum foreign_kind kind, struct slice key, bool *fits,
                    struct err *why, struct err *e)
{
    AUTO(list) struct list l = {.sum = sha256_stream_new()};
    const struct foreign_visitor v = {&l, list_begin, list_bytes, list_end};
    const struct foreign_archive a = {&w->from, key, w->wish == kind};
    struct foreign_facts facts = {0};
    struct err said = {0};

    *fits = foreign_read(&a, kind, &v, &facts, &said);
    if (*fits) {
        list_auto(&w->found);
        w->found = l;
        l = (struct list){0};
        w->kind = kind;
        w->key = key;
        w->facts = facts;
        return true;
    }
    if (said.code != ERR_CORRUPT && said.code != ERR_USAGE && said.code != ERR_DENIED) {
        *e = said; /* the disk, not the archive */
        return false;
    }
    /* Of several keys the one that is a key of this kind says more. */
    if (why->code != ERR_CORRUPT)
        *why = said;
    return true;
}

static bool try_kind(struct work *w, enum foreign_kind kind, struct foreign_trial *out,
                     struct err *e)
{
    const size_t count = foreign_kind_takes_key(kind) && w->key_count > 0 ? w->key_count : 1;

    for (size_t i = 0; i < count && !out->fits; i++) {
        const struct slice key =
            foreign_kind_takes_key(kind) && w->key_count > 0 ? w->keys[i] : SLICE_OF(NULL, 0);

        if (!try_one(w, kind, key, &out->fits, &out->why, e))
            return false;
    }
    return true;
}

static bool recognise(struct work *w, struct err *e)
{
    struct foreign_trial trials[FOREIGN_KINDS] = {0};
    enum foreign_kind kind;

    if (w->wish != FOREIGN_KINDS) {
        struct foreign_trial *t = &trials[w->wish];

        if (!try_kind(w, w->wish, t, e))
            return false;
        return t->fits || err_set(e, ERR_CORRUPT, "it cannot be read as %s: %s",
                                  foreign_kind_name(w->wish), t->why.text);
    }
    for (int k = 0; k < FOREIGN_KINDS; k++)
        if (!try_kind(w, (enum foreign_kind)k, &trials[k], e))
            return false;
    return foreign_judge(trials, &kind, e);
}

static bool sum_all(const struct input *from, struct hash *out, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    uint8_t bytes[READ_STEP];

    for (uint64_t at = 0; at < from->size;) {
        const uint64_t left = from->size - at;
        const size_t size = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        if (!input_read(from, at, bytes, size, e))
            return false;
        sha256_stream_add(s, SLICE_OF(bytes, size));
        at += size;
    }
    sha256_stream_finish(s, out);
    return true;
}

static bool say_found(const struct work *w, struct err *e)
{
    const struct foreign_facts *f = &w->facts;
    const bool is_bundle = w->kind == FOREIGN_BUNDLE;
    AUTO(buf) struct buf text = {0};
    char digits[2 * HASH_SIZE + 1];
    struct hash sum;

    if (!sum_all(&w->from, &sum, e))
        return false;
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), digits);

    AUTO(json)
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o}", "kind", foreign_kind_name(w->kind),
                  "version", f->version, "created", f->created, "why", f->why, "note", f->note,
                  "authenticated", f->is_authenticated, "sha256", digits, "bundle",
                  is_bundle ? bundle_note_json(&f->bundle) : json_null());

    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "what it says of itself is not UTF-8");
    json_append(j, &text);
    return import_say(FRAME_FOUND, buf_slice(&text), e);
}

static bool say_list(const struct list *l, struct err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct part *p = &l->parts[i];
        AUTO(buf) struct buf text = {0};

        buf_put_u64(&text, p->size);
        buf_append(&text, p->sum.bytes, HASH_SIZE);
        buf_append_slice(&text, slice_string(p->name));
        if (!import_say(FRAME_PART, buf_slice(&text), e))
            return false;
    }
    return import_say(FRAME_END, SLICE_OF(NULL, 0), e);
}

/* Handing over */

static bool give_begin(void *arg, const char *name, struct err *e)
{
    (void)arg;
    (void)name; /* they come in the same order as before */
    return import_say(FRAME_BEGIN, SLICE_OF(NULL, 0), e);
}

bool import_say_bytes(struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const size_t size = bytes.size < FRAME_MAX ? bytes.size : FRAME_MAX;

        if (!import_say(FRAME_BYTES, SLICE_OF(bytes.data, size), e))
            return false;
        bytes = SLICE_OF(bytes.data + size, bytes.size - size);
    }
    return true;
}

static bool give_bytes(void *arg, struct slice bytes, struct err *e)
{
    (void)arg;
    return import_say_bytes(bytes, e);
}

static bool give_end(void *arg, struct err *e)
{
    (void)arg;
    return import_say(FRAME_READY, SLICE_OF(NULL, 0), e);
}

static bool give_all(const struct work *w, struct err *e)
{
    const struct foreign_visitor v = {NULL, give_begin, give_bytes, give_end};
    const struct foreign_archive a = {&w->from, w->key, w->wish == w->kind};
    struct foreign_facts facts;

    return foreign_read(&a, w->kind, &v, &facts, e) && import_say(FRAME_END, SLICE_OF(NULL, 0), e);
}

/* From the request to its end */

bool import_hear_request(size_t max, struct buf *out, struct err *e)
{
    uint32_t size = 0;
    size_t got = 0;

    if (!fd_read(STDIN_FILENO, &size, sizeof(size), &got, e))
        return false;
    if (got < sizeof(size) || size > max)
        return err_set(e, ERR_FATAL, "there is no request");
    if (!fd_read(STDIN_FILENO, buf_extend(out, size), size, &got, e))
        return false;
    return got == size || err_set(e, ERR_FATAL, "the request is damaged");
}

static bool take_request(struct work *w, struct err *e)
{
    uint64_t kind, count;
    struct slice rest;

    if (!import_hear_request(IMPORT_REQUEST_MAX, &w->request, e))
        return false;
    rest = buf_slice(&w->request);
    if (!take_varint(&rest, &kind) || kind > FOREIGN_KINDS || !take_varint(&rest, &count) ||
        count > IMPORT_KEYS_MAX)
        return err_set(e, ERR_FATAL, "the request is damaged");
    w->wish = kind == 0 ? FOREIGN_KINDS : (enum foreign_kind)(kind - 1);
    for (; w->key_count < count; w->key_count++)
        if (!take_bytes(&rest, &w->keys[w->key_count]))
            return err_set(e, ERR_FATAL, "the request is damaged");
    return true;
}

static bool run(struct work *w, struct err *e)
{
    static const int archive_fd = SANDBOX_EXTRA_FD;
    uint8_t wish = 0;
    size_t got = 0;

    if (!take_request(w, e) || !input_of_fd(&archive_fd, &w->ticking.from, e))
        return false;
    w->from = (struct input){read_ticking, &w->ticking, w->ticking.from.size};
    if (!recognise(w, e) || !say_found(w, e) || !say_list(&w->found, e))
        return false;
    for (;;) {
        if (!fd_read(STDIN_FILENO, &wish, 1, &got, e))
            return false;
        if (got == 0)
            return true; /* nobody wants anything any more */
        if (!give_all(w, e))
            return false;
    }
}

int import_say_failed(const struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct err ignored;

    buf_put_u8(&text, (uint8_t)e->code);
    buf_append_slice(&text, slice_string(e->text));
    (void)!import_say(FRAME_FAILED, buf_slice(&text), &ignored); /* the end says as much */
    return 1;
}

int import_child(void)
{
    AUTO(work) struct work w = {.wish = FOREIGN_KINDS};
    struct err e = {0};

    return run(&w, &e) ? 0 : import_say_failed(&e);
}
