#include <stdio.h>

#include "repo/chunks.h"

/* A directory being made by hand. */
struct directory {
    struct buf page;
    uint32_t count;
};

static void directory_auto(struct directory *d)
{
    buf_done(&d->page);
}

static struct entry file_named(const char *name)
{
    return (struct entry){.type = ENTRY_FILE, .name = slice_string(name), .mode = 0644};
}

static void add(struct directory *d, const struct entry *en)
{
    if (d->count++ == 0)
        page_begin(&d->page, PAGE_ENTRIES);
    entry_encode(en, &d->page);
}

static struct hash store_page(struct repo *r, struct directory *d)
{
    if (d->count == 0)
        page_begin(&d->page, PAGE_ENTRIES);
    page_finish(&d->page, d->count);

    const struct hash id = chunk_store(r, CHUNK_TREE, buf_slice(&d->page));

    d->count = 0;
    return id;
}

static struct hash store_names(struct repo *r, const char *const *names, size_t count)
{
    AUTO(directory) struct directory d = {0};

    for (size_t i = 0; i < count; i++) {
        const struct entry en = file_named(names[i]);

        add(&d, &en);
    }
    return store_page(r, &d);
}

static struct hash store_pages(struct repo *r, const struct hash *ids, size_t count)
{
    AUTO(buf) struct buf page = {0};

    page_begin(&page, PAGE_PAGES);
    buf_append(&page, ids, count * HASH_SIZE);
    page_finish(&page, (uint32_t)count);
    return chunk_store(r, CHUNK_TREE, buf_slice(&page));
}

/* Read a directory to its end; *count entries came before that or before the failure. */
static bool walk(struct repo *r, const struct hash *tree, size_t *count, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct entry en;
    bool more = true;

    *count = 0;
    if (!tree_open(rd, tree, &c, e))
        return false;
    for (;; ++*count) {
        if (!tree_next(c, &en, &more, e))
            return false;
        if (!more)
            return true;
    }
}

#define NAMES(...) \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

TEST(names_out_of_order_are_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash fine = store_names(r, NAMES("a", "ab", "b", "\xff"));
    const struct hash swapped = store_names(r, NAMES("a", "b", "ab"));
    const struct hash twice = store_names(r, NAMES("a", "b", "b"));
    size_t count;

    CHECK_OK(walk(r, &fine, &count, e));
    ck_assert_uint_eq(count, 4);
    CHECK_ERR(walk(r, &swapped, &count, e), ERR_CORRUPT);
    ck_assert_uint_eq(count, 2);
    CHECK_ERR(walk(r, &twice, &count, e), ERR_CORRUPT);
}
END

TEST(names_out_of_order_across_pages_are_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash pages[] = {store_names(r, NAMES("a", "c")), store_names(r, NAMES("b", "d"))};
    const struct hash tree = store_pages(r, pages, 2);
    const struct hash same[] = {pages[0], pages[0]};
    const struct hash repeated = store_pages(r, same, 2);
    size_t count;

    CHECK_ERR(walk(r, &tree, &count, e), ERR_CORRUPT);
    CHECK_ERR(walk(r, &repeated, &count, e), ERR_CORRUPT);
}
END

TEST(pages_that_are_no_pages_of_entries_are_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash empty = store_names(r, NULL, 0);
    const struct hash inner = store_pages(r, &empty, 1);
    const struct hash nested = store_pages(r, &inner, 1);
    const struct hash data = chunk_store(r, CHUNK_DATA, slice_string("no page at all"));
    const struct hash of_data = store_pages(r, &data, 1);
    size_t count;

    CHECK_OK(walk(r, &empty, &count, e));
    ck_assert_uint_eq(count, 0);
    CHECK_ERR(walk(r, &inner, &count, e), ERR_CORRUPT);
    CHECK_ERR(walk(r, &nested, &count, e), ERR_CORRUPT);
    CHECK_ERR(walk(r, &data, &count, e), ERR_CORRUPT);
    CHECK_ERR(walk(r, &of_data, &count, e), ERR_CORRUPT);
}
END

TEST(a_page_whose_count_and_bytes_disagree_is_corrupt)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(directory) struct directory d = {0};
    const struct entry a = file_named("a"), b = file_named("b");
    size_t count;

    add(&d, &a);
    add(&d, &b);
    const size_t whole = d.page.size;

    d.count = 1;
    const struct hash fewer = store_page(r, &d);

    page_finish(&d.page, 3);
    const struct hash more = chunk_store(r, CHUNK_TREE, buf_slice(&d.page));

    page_finish(&d.page, 2);
    const struct hash cut = chunk_store(r, CHUNK_TREE, SLICE_OF(d.page.data, whole - 1));

    CHECK_ERR(walk(r, &fewer, &count, e), ERR_CORRUPT);
    CHECK_ERR(walk(r, &more, &count, e), ERR_CORRUPT);
    CHECK_ERR(walk(r, &cut, &count, e), ERR_CORRUPT);
}
END

/* A directory of n entries, in pages as the format recommends. */
static struct hash store_many(struct repo *r, size_t n, size_t *page_count)
{
    AUTO(directory) struct directory d = {0};
    AUTO(buf) struct buf pages = {0};

    for (size_t i = 0; i < n; i++) {
        char name[24];

        (void)snprintf(name, sizeof(name), "%06zu", i);
        const struct entry en = file_named(name);

        add(&d, &en);
        if (i + 1 == n || page_is_full(d.count, d.page.size, en.name)) {
            const struct hash id = store_page(r, &d);

            buf_append(&pages, id.bytes, HASH_SIZE);
        }
    }
    *page_count = pages.size / HASH_SIZE;
    return store_pages(r, (const struct hash *)(const void *)pages.data, *page_count);
}

TEST(a_directory_of_many_pages_is_read_whole_and_in_order)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    size_t pages, count;
    const struct hash tree = store_many(r, 10000, &pages);

    CHECK(pages > 5);
    CHECK_OK(walk(r, &tree, &count, e));
    ck_assert_uint_eq(count, 10000);
}
END

/* "/a/b/f", "/a/f", "/z", and a directory of many pages at "/many". */
static struct hash store_tree(struct repo *r)
{
    AUTO(directory) struct directory d = {0};
    struct entry b = {.type = ENTRY_DIRECTORY, .name = slice_string("b")};
    struct entry a = {.type = ENTRY_DIRECTORY, .name = slice_string("a")};
    struct entry many = {.type = ENTRY_DIRECTORY, .name = slice_string("many")};
    struct entry f = file_named("f"), z = file_named("z");
    size_t pages;

    add(&d, &f);
    b.subtree = store_page(r, &d);
    f.mode = 0600;
    add(&d, &b);
    add(&d, &f);
    a.subtree = store_page(r, &d);
    many.subtree = store_many(r, 3000, &pages);
    add(&d, &a);
    add(&d, &many);
    add(&d, &z);
    return store_page(r, &d);
}

TEST(a_path_is_found_below_a_tree)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash root = store_tree(r);
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    CHECK_OK(tree_find(rd, &root, "a/b/f", &keep, &en, e));
    CHECK(en.type == ENTRY_FILE && en.mode == 0644 && slice_is_equal(en.name, slice_string("f")));
    CHECK_OK(tree_find(rd, &root, "/a//f", &keep, &en, e));
    CHECK(en.type == ENTRY_FILE && en.mode == 0600);
    CHECK_OK(tree_find(rd, &root, "/a/b/", &keep, &en, e));
    CHECK(en.type == ENTRY_DIRECTORY && slice_is_equal(en.name, slice_string("b")));
    CHECK_OK(tree_find(rd, &root, "many/002999", &keep, &en, e));
    CHECK(slice_is_equal(en.name, slice_string("002999")));
}
END

TEST(the_root_is_a_directory_without_a_name)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash root = store_tree(r);
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    CHECK_OK(tree_find(rd, &root, "", &keep, &en, e));
    CHECK(en.type == ENTRY_DIRECTORY && en.name.size == 0 && hash_is_equal(&en.subtree, &root));
    CHECK_OK(tree_find(rd, &root, "//", &keep, &en, e));
    CHECK(hash_is_equal(&en.subtree, &root));
}
END

TEST(a_path_that_is_not_there_is_not_found)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct hash root = store_tree(r);
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    CHECK_ERR(tree_find(rd, &root, "b", &keep, &en, e), ERR_NOT_FOUND);
    CHECK_ERR(tree_find(rd, &root, "zz", &keep, &en, e), ERR_NOT_FOUND);
    CHECK_ERR(tree_find(rd, &root, "a/b/f/deeper", &keep, &en, e), ERR_NOT_FOUND);
    CHECK_ERR(tree_find(rd, &root, "a/b/ff", &keep, &en, e), ERR_NOT_FOUND);
    CHECK_ERR(tree_find(rd, &root, "many/003000", &keep, &en, e), ERR_NOT_FOUND);
}
END

TEST(a_path_through_a_missing_tree_is_damage)
{
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    AUTO(directory) struct directory d = {0};
    const struct entry gone = {
        .type = ENTRY_DIRECTORY, .name = slice_string("gone"), .subtree = {{1}}};

    add(&d, &gone);
    const struct hash root = store_page(r, &d);
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    CHECK_OK(tree_find(rd, &root, "gone", &keep, &en, e));
    CHECK_ERR(tree_find(rd, &root, "gone/file", &keep, &en, e), ERR_CORRUPT);
}
END

TESTS("tree", names_out_of_order_are_corrupt, names_out_of_order_across_pages_are_corrupt,
      pages_that_are_no_pages_of_entries_are_corrupt,
      a_page_whose_count_and_bytes_disagree_is_corrupt,
      a_directory_of_many_pages_is_read_whole_and_in_order, a_path_is_found_below_a_tree,
      the_root_is_a_directory_without_a_name, a_path_that_is_not_there_is_not_found,
      a_path_through_a_missing_tree_is_damage)
