/*
 * What a store does with one object of a few bytes: whether it shows at once what was written,
 * replaced and removed, and whether it refuses a key that is taken.  The object is not there
 * before it is asked for, so that a store that remembers absence is found out.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/random.h"
#include "store/store.h"

#define FOLDER "probe/"

/* Objects that a probe left which did not come to its end. */
#define LITTER_S (INT64_C(24) * 3600)

enum {
    NAME_BYTES = 16,
    KEY_MAX = sizeof(FOLDER) + 2 * (size_t)NAME_BYTES,
};

struct probe {
    struct store *store;
    char key[KEY_MAX];
    struct store_abilities *found;
};

/* Whether the object holds this text; "" for an object that is not there. */
static bool probe_read(const struct probe *p, const char *wanted, struct err *e)
{
    AUTO(buf) struct buf got = {0};
    bool is_right = false;

    if (store_get_all(p->store, p->key, &got, e))
        is_right = slice_is_equal(buf_slice(&got), slice_string(wanted));
    else if (e->code == ERR_NOT_FOUND)
        is_right = wanted[0] == '\0';
    else
        return false;
    if (!is_right)
        p->found->is_read_at_once = false;
    return true;
}

struct search {
    const char *key;
    size_t times;
    struct buf litter; /* keys, each ended by a NUL */
};

static bool note_object(void *arg, const struct object_info *info, struct err *e)
{
    struct search *s = arg;

    (void)e;
    if (strcmp(info->key, s->key) == 0)
        s->times++;
    else if (info->mtime < clock_now_ns() / NS_PER_S - LITTER_S)
        buf_append(&s->litter, info->key, strlen(info->key) + 1);
    return true;
}

static bool probe_list(const struct probe *p, size_t times, struct err *e)
{
    struct search s = {.key = p->key};
    struct err ignored;
    const bool is_listed = store_list(p->store, FOLDER, note_object, &s, e);

    if (is_listed && s.times != times)
        p->found->is_listed_at_once = false;
    for (size_t at = 0; is_listed && at < s.litter.size;) {
        const char *key = (const char *)s.litter.data + at;

        at += strlen(key) + 1;
        (void)!store_remove(p->store, key, &ignored); /* litter does no harm */
    }
    buf_done(&s.litter);
    return is_listed;
}

static bool probe_put_taken(const struct probe *p, struct err *e)
{
    if (store_put(p->store, p->key, slice_string("taken"), PUT_NEW, e)) {
        p->found->refuses_taken_keys = false;
        return true;
    }
    return e->code == ERR_EXISTS;
}

/* Keys for a store may allow everything but removing: then nobody sees anything removed late. */
static bool probe_remove(const struct probe *p, struct err *e)
{
    if (!store_remove(p->store, p->key, e))
        return e->code == ERR_DENIED;
    return probe_read(p, "", e) && probe_list(p, 0, e);
}

static bool probe_all(const struct probe *p, struct err *e)
{
    return probe_read(p, "", e) && probe_list(p, 0, e) &&
           store_put(p->store, p->key, slice_string("first"), PUT_NEW, e) &&
           probe_read(p, "first", e) && probe_list(p, 1, e) && probe_put_taken(p, e) &&
           store_put(p->store, p->key, slice_string("second, longer"), PUT_REPLACE, e) &&
           probe_read(p, "second, longer", e) && probe_remove(p, e);
}

bool store_probe(struct store *s, struct store_abilities *out, struct err *e)
{
    struct store_abilities found = {true, true, true};
    struct probe p = {.store = s, .key = FOLDER, .found = &found};
    uint8_t name[NAME_BYTES];
    struct err ignored;

    random_bytes(name, sizeof(name));
    hex_encode(SLICE_OF(name, sizeof(name)), p.key + strlen(FOLDER));
    if (!probe_all(&p, e)) {
        (void)!store_remove(s, p.key, &ignored); /* the next probe removes it otherwise */
        return err_wrap(e, "find out what the store does");
    }
    *out = found;
    return true;
}
