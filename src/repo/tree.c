/*
 * Walking directories: entries one page at a time, and the way down a path.
 */
#include <string.h>

#include "base/mem.h"
#include "repo/object.h"

struct tree_cursor {
    struct reader *reader; /* borrowed */
    struct buf pages;      /* ids of the pages, when the directory has several */
    size_t next_page;      /* offset in pages */
    struct hash page_id;
    struct buf page;
    struct slice rest; /* of page */
    uint32_t left;     /* entries in rest */
    uint8_t last_name[ENTRY_NAME_MAX];
    size_t last_size; /* 0 before the first entry */
};

void tree_close(struct tree_cursor *c)
{
    if (c == NULL)
        return;
    buf_done(&c->pages);
    buf_done(&c->page);
    mem_free(c);
}

void tree_cursor_auto(struct tree_cursor **c)
{
    tree_close(*c);
}

static bool load_page(struct tree_cursor *c, const struct hash *id, enum page_kind *kind,
                      struct err *e)
{
    buf_clear(&c->page);
    c->left = 0;
    c->page_id = *id;
    return reader_chunk(c->reader, CHUNK_TREE, id, &c->page, e) &&
           page_open(buf_slice(&c->page), kind, &c->left, &c->rest, e);
}

const struct hash *tree_page(const struct tree_cursor *c)
{
    return &c->page_id;
}

bool tree_open(struct reader *rd, const struct hash *tree, struct tree_cursor **out, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = mem_new(sizeof(*c));
    enum page_kind kind;

    c->reader = rd;
    if (!load_page(c, tree, &kind, e))
        return err_wrap(e, "tree");
    if (kind == PAGE_PAGES) {
        if (c->rest.size != (uint64_t)c->left * HASH_SIZE)
            return err_set(e, ERR_CORRUPT, "tree: its list of pages is cut short");
        buf_append_slice(&c->pages, c->rest);
        c->rest = (struct slice){0};
        c->left = 0;
    }
    *out = TAKE(c);
    return true;
}

static bool next_page(struct tree_cursor *c, struct err *e)
{
    enum page_kind kind;
    struct hash id;

    memcpy(id.bytes, c->pages.data + c->next_page, HASH_SIZE);
    c->next_page += HASH_SIZE;
    if (!load_page(c, &id, &kind, e))
        return err_wrap(e, "tree page");
    if (kind != PAGE_ENTRIES || c->left == 0)
        return err_set(e, ERR_CORRUPT, "tree page: it holds no entries");
    return true;
}

/* Names ascend through the whole directory, so no entry can hide behind another. */
static bool check_order(struct tree_cursor *c, struct slice name, struct err *e)
{
    if (c->last_size > 0 && slice_compare(SLICE_OF(c->last_name, c->last_size), name) >= 0)
        return err_set(e, ERR_CORRUPT, "tree: names are out of order");
    memcpy(c->last_name, name.data, name.size);
    c->last_size = name.size;
    return true;
}

bool tree_next(struct tree_cursor *c, struct entry *out, bool *more, struct err *e)
{
    if (c->left == 0) {
        if (c->rest.size > 0)
            return err_set(e, ERR_CORRUPT, "tree: bytes behind its last entry");
        if (c->next_page == c->pages.size) {
            *more = false;
            return true;
        }
        if (!next_page(c, e))
            return false;
    }
    if (!entry_decode(&c->rest, out, e) || !check_order(c, out->name, e))
        return err_wrap(e, "tree");
    c->left--;
    *more = true;
    return true;
}

/* Find one name; names ascend, so the search ends at the first larger one. */
static bool find_name(struct reader *rd, const struct hash *tree, struct slice name,
                      struct buf *keep, struct entry *out, bool *found, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    bool more = true;

    *found = false;
    if (!tree_open(rd, tree, &c, e))
        return false;
    while (tree_next(c, out, &more, e)) {
        if (!more || slice_compare(out->name, name) > 0)
            return true;
        if (!slice_is_equal(out->name, name))
            continue;

        /* Encoded and decoded again, the entry's slices point into keep. */
        buf_clear(keep);
        entry_encode(out, keep);
        struct slice copy = buf_slice(keep);

        *found = true;
        return entry_decode(&copy, out, e);
    }
    return false;
}

bool tree_find(struct reader *rd, const struct hash *root, const char *path, struct buf *keep,
               struct entry *out, struct err *e)
{
    struct entry at = {.type = ENTRY_DIRECTORY, .mode = 0755, .subtree = *root};

    for (const char *p = path; *p != '\0';) {
        const size_t size = strcspn(p, "/");
        const struct hash tree = at.subtree;
        bool found;

        if (size == 0) {
            p++;
            continue;
        }
        if (at.type != ENTRY_DIRECTORY)
            return err_set(e, ERR_NOT_FOUND, "%s: part of the path is no directory", path);
        if (!find_name(rd, &tree, SLICE_OF(p, size), keep, &at, &found, e))
            return err_wrap(e, "%s", path);
        if (!found)
            return err_set(e, ERR_NOT_FOUND, "%s: not in the snapshot", path);
        p += size;
    }
    *out = at;
    return true;
}
