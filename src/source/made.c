#include "source/made.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/owner.h"

#define PIECE_SIZE ((size_t)128 << 10)

bool made_check_name(const char *text, size_t max, struct err *e)
{
    const size_t length = strlen(text);

    if (length == 0 || length > max || strchr(text, '/') != NULL || strcmp(text, ".") == 0 ||
        strcmp(text, "..") == 0)
        return err_set(e, ERR_USAGE, "\"%.60s\" cannot be the name of a file", text);
    return true;
}

struct entry *made_announce(struct listing *l, const char *name, enum entry_type type,
                            int64_t now_ns)
{
    AUTO(owners) struct owners o = {0};
    struct entry *en = listing_add(l);

    assert(type == ENTRY_FILE || type == ENTRY_DIRECTORY);
    *en = (struct entry){
        .type = type,
        .flags = ENTRY_UNTRUSTED_TIME, /* never taken from an earlier backup */
        .name = slice_string(arena_string(&l->arena, slice_string(name))),
        .mode = type == ENTRY_FILE ? 0600 : 0700,
        .uid = geteuid(),
        .gid = getegid(),
        .mtime_ns = now_ns,
        .ctime_ns = now_ns,
        .links = 1,
    };
    en->user = arena_copy(&l->arena, owner_name(&o, OWNER_USER, en->uid));
    en->group = arena_copy(&l->arena, owner_name(&o, OWNER_GROUP, en->gid));
    return en;
}

size_t made_slot(const struct listing *l, const char *name)
{
    const struct slice wanted = slice_string(name);
    size_t from = 0, to = l->count;

    while (to - from > 1) {
        const size_t middle = from + (to - from) / 2;

        if (slice_compare(l->entries[middle].name, wanted) <= 0)
            from = middle;
        else
            to = middle;
    }
    assert(from < l->count && slice_is_equal(l->entries[from].name, wanted));
    return from;
}

bool made_file_begin(struct made_file *f, struct sink *k, struct lane *n, struct sink_dir *dir,
                     const struct listing *l, size_t slot, struct err *e)
{
    *f = (struct made_file){.sink = k, .lane = n, .announced = &l->entries[slot]};
    return k->ops->begin(n, dir, slot, e);
}

static bool flush(struct made_file *f, struct err *e)
{
    const size_t used = f->used;

    f->room = NULL;
    f->used = 0;
    return used == 0 || f->sink->ops->write(f->lane, used, e);
}

bool made_file_add(struct made_file *f, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        if (f->room == NULL)
            f->room = f->sink->ops->room(f->lane, SINK_ROOM_MAX);

        const size_t left = SINK_ROOM_MAX - f->used;
        const size_t size = bytes.size < left ? bytes.size : left;

        memcpy(f->room + f->used, bytes.data, size);
        f->used += size;
        f->size += size;
        bytes = SLICE_OF(bytes.data + size, bytes.size - size);
        if (f->used == SINK_ROOM_MAX && !flush(f, e))
            return false;
    }
    return true;
}

bool made_file_add_fd(struct made_file *f, int fd, struct err *why, struct err *e)
{
    AUTO(mem) uint8_t *piece = mem_new(PIECE_SIZE);
    uint64_t at = 0;
    size_t got = 0;

    do {
        if (cancel_is_requested())
            return cancel_err(e);
        if (!fd_read_at(fd, at, piece, PIECE_SIZE, &got, why))
            return true;
        at += got;
        if (!made_file_add(f, SLICE_OF(piece, got), e))
            return false;
    } while (got == PIECE_SIZE);
    return true;
}

bool made_file_end(struct made_file *f, struct err *e)
{
    struct entry final = *f->announced;

    final.size = f->size;
    return flush(f, e) && f->sink->ops->end(f->lane, &final, e);
}

bool made_send(struct sink *k, struct lane *n, struct sink_dir *dir, const struct listing *l,
               const char *name, struct slice bytes, struct err *e)
{
    struct made_file f;

    return made_file_begin(&f, k, n, dir, l, made_slot(l, name), e) &&
           made_file_add(&f, bytes, e) && made_file_end(&f, e);
}
