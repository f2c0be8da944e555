/*
 * A set as one tree:
 *
 *     /files/...              a file tree, below the directory that stands for "/"
 *     /<kind>/<entries>       all members of one kind share a directory
 */
#include "source/set.h"

#include <assert.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/made.h"

/* A set under way. */
struct set_run {
    const struct set *set;
    struct sink *sink;
    struct lane *lane;
    struct sink_dir *root;
    struct listing *top; /* the entries of root, as announced */
    bool *has_files;     /* per file tree: it is there */
    bool *has_member;
};

static void set_run_auto(struct set_run *r)
{
    if (r->lane != NULL)
        r->sink->ops->lane_close(r->lane);
    listing_free(r->top);
    mem_free(r->has_files);
    mem_free(r->has_member);
}

static bool is_first_of_kind(const struct set *s, size_t member)
{
    for (size_t i = 0; i < member; i++)
        if (strcmp(s->members[i]->ops->kind, s->members[member]->ops->kind) == 0)
            return false;
    return true;
}

static bool is_same_member(const struct member *a, const struct member *b)
{
    return strcmp(a->ops->kind, b->ops->kind) == 0 && strcmp(a->name, b->name) == 0;
}

/* Directories that kinds of members have, whether a set has such members or not. */
static bool is_kind(const char *name)
{
    static const char *const kinds[] = {"bundle", "cfms",     "command",
                                        "import", "postgres", "sqlite"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i], name) == 0)
            return true;
    return false;
}

static bool check_files(const struct set *s, size_t n, struct err *e)
{
    const char *name = s->files[n].name;

    if (!member_check_name(name, e))
        return false;
    if (is_kind(name))
        return err_set(e, ERR_USAGE, "a file tree cannot be called \"%s\": other sources go there",
                       name);
    for (size_t i = 0; i < n; i++)
        if (strcmp(s->files[i].name, name) == 0)
            return err_set(e, ERR_USAGE, "two file trees are called \"%s\"", name);
    for (size_t i = 0; i < s->member_count; i++)
        if (strcmp(s->members[i]->ops->kind, name) == 0)
            return err_set(e, ERR_USAGE, "a file tree is called \"%s\", which is where %s goes",
                           name, s->members[i]->name);
    return true;
}

bool set_check(const struct set *s, struct err *e)
{
    if (s->files_count + s->member_count == 0)
        return err_set(e, ERR_USAGE, "set %s has no sources", s->name);
    for (size_t i = 0; i < s->files_count; i++)
        if (!check_files(s, i, e))
            return err_wrap(e, "set %s", s->name);
    for (size_t i = 0; i < s->member_count; i++) {
        const struct member *m = s->members[i];

        if (!member_check_name(m->name, e))
            return err_wrap(e, "set %s: %s", s->name, m->ops->kind);
        for (size_t n = 0; n < i; n++)
            if (is_same_member(s->members[n], m))
                return err_set(e, ERR_USAGE, "set %s: two sources %s are called \"%s\"", s->name,
                               m->ops->kind, m->name);
    }
    return true;
}

/* A source is not there: the end, unless the set may be incomplete. */
static bool leave_out(struct set_run *r, const char *place, const struct err *why, struct err *e)
{
    if (r->set->may_be_incomplete)
        return r->sink->ops->skip(r->lane, NULL, 0, place, why, e);
    *e = *why;
    return err_wrap(e, "%s", place + 1);
}

/* Ask one source; *place is where it has its entries. */
static bool is_there(const struct set *s, size_t source, struct buf *place, struct err *why)
{
    buf_clear(place);
    if (source < s->files_count) {
        buf_printf(place, "/%s", s->files[source].name);
        return files_probe(s->files[source].options, why);
    }

    struct member *m = s->members[source - s->files_count];

    buf_printf(place, "/%s/%s", m->ops->kind, m->name);
    return m->ops->prepare(m, why) || member_err(why);
}

/* Ask each source; what they say first is what is told when none is there. */
static bool prepare(struct set_run *r, struct err *e)
{
    const struct set *s = r->set;
    AUTO(buf) struct buf place = {0};
    struct err first = {0};
    size_t there = 0;

    for (size_t i = 0; i < s->files_count + s->member_count; i++) {
        bool *has = i < s->files_count ? &r->has_files[i] : &r->has_member[i - s->files_count];
        struct err why = {0};

        if (cancel_is_requested())
            return cancel_err(e);
        *has = is_there(s, i, &place, &why);
        there += *has ? 1 : 0;
        if (*has)
            continue;
        if (!leave_out(r, buf_string(&place), &why, e))
            return false;
        if (first.code == ERR_NONE)
            first = why;
    }
    if (there > 0)
        return true;
    *e = first;
    return err_wrap(e, "no source of set %s is there", s->name);
}

static bool has_kind(const struct set_run *r, const char *kind)
{
    for (size_t i = 0; i < r->set->member_count; i++)
        if (r->has_member[i] && strcmp(r->set->members[i]->ops->kind, kind) == 0)
            return true;
    return false;
}

static struct listing *root_listing(const struct set_run *r)
{
    const struct set *s = r->set;
    struct listing *l = listing_new();

    for (size_t i = 0; i < s->files_count; i++)
        if (r->has_files[i])
            made_announce(l, s->files[i].name, ENTRY_DIRECTORY, s->time_ns);
    for (size_t i = 0; i < s->member_count; i++)
        if (is_first_of_kind(s, i) && has_kind(r, s->members[i]->ops->kind))
            made_announce(l, s->members[i]->ops->kind, ENTRY_DIRECTORY, s->time_ns);
    listing_sort(l);
    return l;
}

/* Whoever takes a listing changes its entries, also while others are still sent: they are looked
 * up in one of our own. */
static bool enter_root(struct set_run *r, struct err *e)
{
    r->top = root_listing(r);
    return r->sink->ops->enter(r->lane, NULL, 0, root_listing(r), &r->root, e);
}

static void tell_source(const struct set_run *r, const char *kind, const char *name)
{
    if (r->sink->ops->source != NULL)
        r->sink->ops->source(r->sink, kind, name);
}

static bool send_files(struct set_run *r, const struct set_files *f, struct err *e)
{
    struct files_options o = *f->options;

    o.scan_started_ns = r->set->scan_started_ns;
    o.threads = r->set->threads;
    o.above = r->root;
    o.above_slot = made_slot(r->top, f->name);
    tell_source(r, NULL, f->name);
    return files_backup(&o, r->sink, e);
}

static struct listing *kind_listing(const struct set_run *r, const char *kind)
{
    const struct set *s = r->set;
    struct listing *l = listing_new();

    for (size_t i = 0; i < s->member_count; i++) {
        struct member *m = s->members[i];

        if (!r->has_member[i] || strcmp(m->ops->kind, kind) != 0)
            continue;
        m->now_ns = s->time_ns;
        m->ops->announce(m, l);
    }
    listing_sort(l);
    return l;
}

/* All members of a kind, into the directory that they share. */
static bool send_kind(struct set_run *r, const char *kind, struct err *e)
{
    const struct set *s = r->set;
    AUTO(listing) struct listing *announced = kind_listing(r, kind);
    struct listing *entered = kind_listing(r, kind);
    struct sink_dir *dir = NULL;

    if (!r->sink->ops->enter(r->lane, r->root, made_slot(r->top, kind), entered, &dir, e))
        return false;
    if (dir != NULL)
        memcpy(announced->wanted, entered->wanted, announced->count * sizeof(bool));
    for (size_t i = 0; i < s->member_count; i++) {
        struct member *m = s->members[i];
        struct err failure = {0};

        if (!r->has_member[i] || strcmp(m->ops->kind, kind) != 0)
            continue;
        tell_source(r, kind, m->name);
        if (!m->ops->send(m, r->sink, dir, announced, &failure, e))
            return false;
        if (failure.code == ERR_NONE || (s->may_be_incomplete && !cancel_is_requested()))
            continue;
        *e = failure;
        return member_err(e) || err_wrap(e, "%s/%s", kind, m->name);
    }
    return true;
}

bool set_backup(const struct set *s, struct sink *k, struct err *e)
{
    AUTO(set_run)
    struct set_run r = {.set = s,
                        .sink = k,
                        .has_files = mem_array(s->files_count, sizeof(bool)),
                        .has_member = mem_array(s->member_count, sizeof(bool))};

    if (!set_check(s, e) || !k->ops->lane_open(k, &r.lane, e) || !prepare(&r, e) ||
        !enter_root(&r, e))
        return false;
    /* Members first: as long as SQLite has a database open, closing any other descriptor of it,
     * as reading it as a file does, would drop SQLite's locks. */
    for (size_t i = 0; i < s->member_count; i++) {
        const char *kind = s->members[i]->ops->kind;

        if (is_first_of_kind(s, i) && has_kind(&r, kind) && !send_kind(&r, kind, e))
            return false;
    }
    for (size_t i = 0; i < s->files_count; i++)
        if (r.has_files[i] && !send_files(&r, &s->files[i], e))
            return false;
    return true;
}
