#include "source/parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/made.h"

/* Where a part is announced. */
struct place {
    struct sink_dir *dir;
    const struct listing *listing; /* the sink's; lives until the part was sent */
    size_t slot;
};

struct parts_member {
    struct member member; /* first */
    struct parts_options options;
    char *manifest_name, *folder_name;
    const char **order; /* paths, sorted so that what shares a folder stands together */
};

struct parts_way {
    struct parts_member *member;
    struct sink *sink;
    struct lane *lane;
    struct sink_dir *dir;
    const struct listing *listing;
    struct place *places; /* of order */
    size_t *number;       /* of each path in order */
    bool *is_sent;        /* of each path */
    bool has_whole;
    struct made_file file;
};

static void parts_way_auto(struct parts_way *w)
{
    w->sink->ops->lane_close(w->lane);
    mem_free(w->places);
    mem_free(w->number);
    mem_free(w->is_sent);
}

/* Paths */

/* '/' before every other byte, so that a folder is one run of paths. */
static int path_order(const void *a, const void *b)
{
    const uint8_t *x = *(const uint8_t *const *)a;
    const uint8_t *y = *(const uint8_t *const *)b;

    while (*x == *y && *x != '\0') {
        x++;
        y++;
    }

    const int left = *x == '/' ? 1 : *x == '\0' ? 0 : *x + 1;
    const int right = *y == '/' ? 1 : *y == '\0' ? 0 : *y + 1;

    return left - right;
}

static bool odd(const char *path, const char *what, struct err *e)
{
    char shown[100];

    text_flatten(slice_string(path), shown, sizeof(shown));
    return err_set(e, ERR_CORRUPT, "the part \"%s\" %s", shown, what);
}

static bool check_path(const char *path, struct err *e)
{
    size_t depth = 0;

    if (strlen(path) > PARTS_PATH_MAX || !utf8_is_valid(slice_string(path)))
        return odd(path, "has a name that is too long or not UTF-8", e);
    for (const char *at = path;; at++) {
        const size_t size = strcspn(at, "/");

        if (size == 0 || size > ENTRY_NAME_MAX || (size == 1 && *at == '.') ||
            (size == 2 && memcmp(at, "..", 2) == 0))
            return odd(path, "has a name that leads elsewhere", e);
        for (size_t i = 0; i < size; i++)
            if ((uint8_t)at[i] < 0x20 || at[i] == 0x7f)
                return odd(path, "has control characters in its name", e);
        at += size;
        if (*at == '\0')
            return depth <= PARTS_DEPTH_MAX || odd(path, "stands in too many folders", e);
        depth++;
    }
}

static const char **order_of(const char *const *paths, size_t count)
{
    const char **order = mem_array(count, sizeof(*order));

    if (count > 0) {
        memcpy(order, paths, count * sizeof(*order));
        qsort(order, count, sizeof(*order), path_order);
    }
    return order;
}

bool parts_check(const char *const *paths, size_t count, struct err *e)
{
    if (count > PARTS_COUNT_MAX)
        return err_set(e, ERR_CORRUPT, "it has more than %zu parts", PARTS_COUNT_MAX);
    for (size_t i = 0; i < count; i++)
        if (!check_path(paths[i], e))
            return false;

    AUTO(mem) const char **order = order_of(paths, count);

    for (size_t i = 1; i < count; i++) {
        const size_t size = strlen(order[i - 1]);

        if (strncmp(order[i - 1], order[i], size) == 0 &&
            (order[i][size] == '\0' || order[i][size] == '/'))
            return odd(order[i], "is there twice, or is in a file", e);
    }
    return true;
}

/* Announcing */

static struct parts_member *parts_of(struct member *m)
{
    return (struct parts_member *)m;
}

static bool parts_prepare(struct member *m, struct err *e)
{
    (void)m;
    (void)e; /* it was looked at before it became a member */
    return true;
}

static void parts_announce(struct member *m, struct listing *l)
{
    const struct parts_member *p = parts_of(m);

    made_announce(l, m->name, ENTRY_FILE, m->now_ns);
    made_announce(l, p->manifest_name, ENTRY_FILE, m->now_ns);
    if (p->options.count > 0)
        made_announce(l, p->folder_name, ENTRY_DIRECTORY, m->now_ns);
}

/* Parts [from, to) in order that have the first `at` bytes in common: a folder. */
struct run {
    size_t from, to, at;
};

/* The end of those that go on with the same name as the first; its size. */
static size_t group_end(const struct parts_member *p, const struct run *r, size_t first,
                        size_t *size)
{
    const char *name = p->order[first] + r->at;
    size_t end = first + 1;

    *size = strcspn(name, "/");
    while (end < r->to && strncmp(p->order[end] + r->at, name, *size) == 0 &&
           p->order[end][r->at + *size] == '/' && name[*size] == '/')
        end++;
    return end;
}

static struct listing *run_listing(const struct parts_member *p, const struct run *r)
{
    struct listing *l = listing_new();
    size_t size = 0;

    for (size_t i = r->from; i < r->to;) {
        const size_t end = group_end(p, r, i, &size);
        AUTO(mem) char *name = mem_dup(p->order[i] + r->at, size);

        made_announce(l, name, p->order[i][r->at + size] == '/' ? ENTRY_DIRECTORY : ENTRY_FILE,
                      p->member.now_ns);
        i = end;
    }
    listing_sort(l);
    return l;
}

/* Announce a folder with all that is below it. */
static bool enter_run(struct parts_way *w, struct sink_dir *above, size_t slot, struct run r,
                      struct err *e)
{
    const struct parts_member *p = w->member;
    struct listing *l = run_listing(p, &r);
    struct sink_dir *dir = NULL;
    size_t size = 0;

    if (!w->sink->ops->enter(w->lane, above, slot, l, &dir, e))
        return false;
    assert(dir != NULL); /* made entries are never taken from before */
    for (size_t i = r.from; i < r.to;) {
        const size_t end = group_end(p, &r, i, &size);
        AUTO(mem) char *name = mem_dup(p->order[i] + r.at, size);
        const size_t here = made_slot(l, name);

        if (p->order[i][r.at + size] != '/')
            w->places[i] = (struct place){dir, l, here};
        else if (!enter_run(w, dir, here, (struct run){i, end, r.at + size + 1}, e))
            return false;
        i = end;
    }
    return true;
}

/* Sending */

bool parts_way_begin(struct parts_way *w, size_t n, struct err *e)
{
    if (n == PARTS_WHOLE) {
        assert(!w->has_whole);
        w->has_whole = true;
        return made_file_begin(&w->file, w->sink, w->lane, w->dir, w->listing,
                               made_slot(w->listing, w->member->member.name), e);
    }
    assert(n < w->member->options.count && !w->is_sent[n]);
    w->is_sent[n] = true;

    const struct place *at = &w->places[w->number[n]];

    return made_file_begin(&w->file, w->sink, w->lane, at->dir, at->listing, at->slot, e);
}

bool parts_way_add(struct parts_way *w, struct slice bytes, struct err *e)
{
    return made_file_add(&w->file, bytes, e);
}

bool parts_way_end(struct parts_way *w, struct err *e)
{
    return made_file_end(&w->file, e);
}

static void number_paths(struct parts_way *w)
{
    const struct parts_options *o = &w->member->options;

    for (size_t i = 0; i < o->count; i++) {
        const char *const *found = bsearch(&o->paths[i], w->member->order, o->count,
                                           sizeof(*w->member->order), path_order);

        assert(found != NULL);
        w->number[i] = (size_t)(found - w->member->order);
    }
}

static bool all_sent(const struct parts_way *w)
{
    size_t sent = 0;

    for (size_t i = 0; i < w->member->options.count; i++)
        sent += w->is_sent[i] ? 1 : 0;
    return w->has_whole && sent == w->member->options.count;
}

static bool parts_send(struct member *m, struct sink *k, struct sink_dir *dir,
                       const struct listing *l, struct err *failure, struct err *e)
{
    struct parts_member *p = parts_of(m);
    const size_t count = p->options.count;
    AUTO(parts_way)
    struct parts_way w = {.member = p,
                          .sink = k,
                          .dir = dir,
                          .listing = l,
                          .places = mem_array(count, sizeof(*w.places)),
                          .number = mem_array(count, sizeof(*w.number)),
                          .is_sent = mem_array(count, sizeof(*w.is_sent))};

    (void)failure; /* what fails here ends the backup: half an archive is none */
    number_paths(&w);
    if (!k->ops->lane_open(k, &w.lane, e) ||
        (count > 0 &&
         !enter_run(&w, dir, made_slot(l, p->folder_name), (struct run){0, count, 0}, e)) ||
        !p->options.feed(p->options.arg, &w, e))
        return false;
    assert(all_sent(&w));
    return made_send(k, w.lane, dir, l, p->manifest_name, p->options.manifest, e);
}

static void parts_free(struct member *m)
{
    struct parts_member *p = parts_of(m);

    mem_free(p->manifest_name);
    mem_free(p->folder_name);
    mem_free(p->order);
    mem_free(m->name);
    mem_free(p);
}

static const struct member_ops parts_ops = {
    .kind = PARTS_KIND,
    .prepare = parts_prepare,
    .announce = parts_announce,
    .send = parts_send,
    .free = parts_free,
};

static char *name_with(const char *name, const char *suffix)
{
    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "%s%s", name, suffix);
    return mem_string(buf_string(&text));
}

bool parts_member_new(const struct parts_options *o, struct member **out, struct err *e)
{
    struct parts_member *p;

    if (!made_check_name(o->name, PARTS_NAME_MAX, e) || !member_check_name(o->name, e))
        return false;
    p = mem_new(sizeof(*p));
    p->member.ops = &parts_ops;
    p->member.name = mem_string(o->name);
    p->options = *o;
    p->options.name = p->member.name;
    p->manifest_name = name_with(o->name, MEMBER_MANIFEST);
    p->folder_name = name_with(o->name, PARTS_FOLDER);
    p->order = order_of(o->paths, o->count);
    *out = &p->member;
    return true;
}
