/*
 * Which snapshots a command means: filters, "latest", and prefixes of ids.
 */
#include <string.h>

#include "base/mem.h"
#include "repo/snapshot.h"

enum {
    PREFIX_MIN = 4,
    ID_LENGTH = 2 * HASH_SIZE,
};

/* The part of a list "a,b" up to the next comma. */
static struct slice item_take(const char **list)
{
    const size_t length = strcspn(*list, ",");
    const struct slice item = SLICE_OF(*list, length);

    *list += length + ((*list)[length] == ',');
    return item;
}

static bool has_tag(const struct snapshot *s, struct slice tag)
{
    for (size_t i = 0; i < s->tag_count; i++)
        if (slice_is_equal(slice_string(s->tags[i]), tag))
            return true;
    return false;
}

bool snapshot_has_tag(const struct snapshot *s, const char *tag)
{
    return has_tag(s, slice_string(tag));
}

bool snapshot_is_import(const struct snapshot *s)
{
    for (size_t i = 0; i < s->tag_count; i++)
        if (strncmp(s->tags[i], SNAPSHOT_IMPORT, sizeof(SNAPSHOT_IMPORT) - 1) == 0)
            return true;
    return false;
}

bool snapshot_has_tags(const struct snapshot *s, const char *list)
{
    if (*list == '\0')
        return s->tag_count == 0;
    while (*list != '\0')
        if (!has_tag(s, item_take(&list)))
            return false;
    return true;
}

static bool has_path(const struct snapshot *s, const char *path)
{
    for (size_t i = 0; i < s->path_count; i++)
        if (strcmp(s->paths[i], path) == 0)
            return true;
    return false;
}

bool snapshot_is_of_set(const struct snapshot *s, const char *set)
{
    return set == NULL || (s->set != NULL && strcmp(set, s->set) == 0);
}

bool snapshot_is_upload(const struct snapshot *s, const char *set)
{
    AUTO(buf) struct buf tag = {0};

    buf_printf(&tag, SNAPSHOT_UPLOAD "%s", set);
    return s->set == NULL && snapshot_has_tag(s, buf_string(&tag));
}

/* Whether it is of the set that the filter names, or may be named beside those. */
static bool is_for_set(const struct snapshot *s, const struct snapshot_filter *f)
{
    return snapshot_is_of_set(s, f->set) || (f->with_uploads && snapshot_is_upload(s, f->set));
}

bool snapshot_matches(const struct snapshot *s, const struct snapshot_filter *f)
{
    bool has_tags = f->tag_count == 0;

    if (f->host != NULL && *f->host != '\0' && strcmp(f->host, s->host) != 0)
        return false;
    if (!is_for_set(s, f))
        return false;
    for (size_t i = 0; i < f->tag_count && !has_tags; i++)
        has_tags = snapshot_has_tags(s, f->tags[i]);
    for (size_t i = 0; i < f->path_count; i++)
        if (!has_path(s, f->paths[i]))
            return false;
    return has_tags;
}

bool snapshot_prefix_check(const char *text, size_t min, struct err *e)
{
    const size_t length = strlen(text);

    if (strspn(text, "0123456789abcdef") != length || length > ID_LENGTH)
        return err_set(e, ERR_USAGE, "\"%s\" is not the id of a snapshot", text);
    if (length < min)
        return err_set(e, ERR_USAGE,
                       "\"%s\" is too short for the id of a snapshot: %zu digits at least", text,
                       min);
    return true;
}

/* Who restored the latest state and asks for it again does not mean what was there in between, who
 * asks for the latest of a set does not mean what was uploaded for it, and neither means what
 * another program has kept. */
static bool is_passed_over(const struct snapshot *s, const struct snapshot_filter *f)
{
    if (f != NULL && f->tag_count > 0)
        return false;
    return (s->set != NULL && (snapshot_has_tag(s, SNAPSHOT_SAFETY) || snapshot_is_import(s))) ||
           (f != NULL && !snapshot_is_of_set(s, f->set));
}

static bool latest_find(struct repo *r, const struct snapshot_filter *f, struct snapshot **out,
                        struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};

    /* A damaged snapshot might be the latest, so none is passed over. */
    if (!snapshot_load_all(r, 1U << SNAPSHOT_COMMITTED, NULL, NULL, &all, e))
        return false;
    for (size_t i = all.count; i-- > 0;)
        if (!is_passed_over(all.items[i], f) && (f == NULL || snapshot_matches(all.items[i], f))) {
            *out = TAKE(all.items[i]);
            return true;
        }
    return err_set(e, ERR_NOT_FOUND, "there is no snapshot%s",
                   all.count > 0 ? " that the filters let through" : "");
}

/* What a prefix matches. */
struct matches {
    const struct snapshot_standing *found; /* the last committed one */
    size_t committed, forgotten, prepared;
};

static struct matches matches_count(const struct snapshot_standing *all, size_t count)
{
    struct matches m = {0};

    for (size_t i = 0; i < count; i++) {
        m.forgotten += all[i].state == SNAPSHOT_FORGOTTEN;
        m.prepared += all[i].state == SNAPSHOT_PREPARED;
        if (all[i].state == SNAPSHOT_COMMITTED) {
            m.found = &all[i];
            m.committed++;
        }
    }
    return m;
}

static bool prefix_find(struct repo *r, const char *prefix, struct snapshot **out, struct err *e)
{
    AUTO(mem) struct snapshot_standing *all = NULL;
    size_t count = 0;

    if (!snapshot_prefix_check(prefix, PREFIX_MIN, e) ||
        !snapshot_scan(r, prefix, NULL, NULL, &all, &count, e))
        return false;

    const struct matches m = matches_count(all, count);

    if (m.committed > 1)
        return err_set(e, ERR_USAGE, "%zu snapshots begin with %s", m.committed, prefix);
    if (m.committed == 1)
        return snapshot_load(r, &m.found->id, out, e);
    if (m.forgotten > 0)
        return err_set(e, ERR_NOT_FOUND,
                       "snapshot %s is forgotten; it can be brought back until "
                       "prune removes it",
                       prefix);
    if (m.prepared > 0)
        return err_set(e, ERR_NOT_FOUND, "snapshot %s was never completed", prefix);
    return err_set(e, ERR_NOT_FOUND, "there is no snapshot %s", prefix);
}

bool snapshot_resolve(struct repo *r, const char *selector, const struct snapshot_filter *f,
                      struct snapshot **out, char **sub, struct err *e)
{
    const char *colon = strchr(selector, ':');
    const size_t length = colon == NULL ? strlen(selector) : (size_t)(colon - selector);
    AUTO(mem) char *name = mem_dup(selector, length);

    AUTO(snapshot) struct snapshot *found = NULL;

    if (!(strcmp(name, "latest") == 0 ? latest_find(r, f, &found, e)
                                      : prefix_find(r, name, &found, e)))
        return false;
    if (f != NULL && !is_for_set(found, f))
        return err_set(e, ERR_NOT_FOUND, "snapshot %s is not of set %s", name, f->set);
    *out = TAKE(found);
    *sub = colon == NULL ? NULL : mem_string(colon + 1 + strspn(colon + 1, "/"));
    return true;
}
