/* What a new file is taken for: one that was renamed or moved. */
#include "job/moved.h"

#include <string.h>

#include "repo/chunks.h"

/* A file or directory of the previous snapshot, and what a new one looks like; the letter stands
 * for its content. */
struct thing {
    const char *folder, *name;
    uint64_t inode, size;
    char letter;
    bool is_directory;
};

static struct entry entry_of(const struct thing *t, struct hash *content)
{
    memset(content->bytes, t->letter, HASH_SIZE);

    struct entry en = {.type = t->is_directory ? ENTRY_DIRECTORY : ENTRY_FILE,
                       .name = slice_string(t->name),
                       .device = 1,
                       .inode = t->inode,
                       .links = 1,
                       .size = t->size};

    if (t->is_directory)
        en.subtree = *content;
    else if (t->size > 0)
        en.content = SLICE_OF(content->bytes, HASH_SIZE);
    return en;
}

/* A tree of the things of one folder, ascending by name. */
static struct hash tree_of(struct writer *w, const struct thing *things, size_t count,
                           const char *folder)
{
    AUTO(buf) struct buf page = {0};
    uint32_t entries = 0;
    struct hash id;

    page_begin(&page, PAGE_ENTRIES);
    for (size_t i = 0; i < count; i++) {
        struct hash content;
        const struct entry en = entry_of(&things[i], &content);

        if (strcmp(things[i].folder, folder) != 0)
            continue;
        entry_encode(&en, &page);
        entries++;
    }
    page_finish(&page, entries);
    CHECK_OK(writer_put_tree(w, CHUNK_TREE, buf_slice(&page), NULL, &id, e));
    return id;
}

struct bench {
    struct store *store;
    struct repo *repo;
    struct moved *moved;
};

static void bench_auto(struct bench *b)
{
    moved_free(b->moved);
    repo_close(b->repo);
    store_close(b->store);
}

/* Knows the things of one folder. */
static void bench_init(struct bench *b, const struct thing *things, size_t count,
                       const char *folder)
{
    AUTO(run) struct run n;
    struct hash tree;

    *b = (struct bench){.store = store_memory_new(), .moved = moved_new()};
    b->repo = fixture_repo(b->store);
    run_open(&n, b->repo, (struct writer_options){0});
    tree = tree_of(n.w, things, count, folder);
    (void)run_finish(&n);
    repo_drop_index(b->repo);
    CHECK_OK(repo_load_index(b->repo, e));

    AUTO(reader) struct reader *rd = reader_new(b->repo);

    moved_add(b->moved, rd, &tree, slice_string(folder));
}

/* The letter of what a thing is taken for; '-': nothing. */
static char taken_for(const struct bench *b, const struct thing *t)
{
    struct content_before found;
    struct hash content;
    const struct entry en = entry_of(t, &content);

    if (!moved_find(b->moved, &en, slice_string(t->folder), &found))
        return '-';
    ck_assert_uint_eq(found.content.size, HASH_SIZE);
    return (char)found.content.data[0];
}

static const struct thing before[] = {
    {"d", "Makefile", 10, 9000, 'M', false},
    {"d", "app.log", 11, 50000, 'l', false},
    {"d", "dump-2026-11-21.sql", 12, 80000, 'o', false},
    {"d", "dump-2026-11-22.sql", 13, 90000, 'y', false},
    {"d", "folder", 14, 0, 'f', true},
    {"d", "tiny", 15, 100, 't', false},
};

TEST(what_has_the_inode_is_taken_for_what_had_it)
{
    AUTO(bench) struct bench b;

    bench_init(&b, before, 6, "d");
    CHECK(taken_for(&b, &(struct thing){"d", "app.log.1", 11, 60000, 0, false}) == 'l');
    CHECK(taken_for(&b, &(struct thing){"e", "other", 14, 4096, 0, true}) == 'f');
    /* Inodes are given again: to what is of another kind, or far from as long. */
    CHECK(taken_for(&b, &(struct thing){"d", "x", 11, 0, 0, true}) == '-');
    CHECK(taken_for(&b, &(struct thing){"d", "x", 11, 300000, 0, false}) == '-');
    CHECK(taken_for(&b, &(struct thing){"d", "x", 11, 9000, 0, false}) == '-');
}
END

TEST(a_file_is_taken_for_one_of_its_name_but_for_digits_and_of_its_size)
{
    AUTO(bench) struct bench b;

    bench_init(&b, before, 6, "d");
    CHECK(taken_for(&b, &(struct thing){"d", "dump-2026-11-23.sql", 99, 91000, 0, false}) == 'y');
    CHECK(taken_for(&b, &(struct thing){"d", "dump-2026-11-3.sql", 99, 79000, 0, false}) == 'o');
    CHECK(taken_for(&b, &(struct thing){"e", "Makefile", 99, 9100, 0, false}) == 'M');
    CHECK(taken_for(&b, &(struct thing){"d", "Makefile", 99, 90000, 0, false}) == '-');
    CHECK(taken_for(&b, &(struct thing){"d", "dump.sql", 99, 90000, 0, false}) == '-');
    CHECK(taken_for(&b, &(struct thing){"d", "dump-a-b-c.sql", 99, 90000, 0, false}) == '-');
    /* A directory's name says too little. */
    CHECK(taken_for(&b, &(struct thing){"e", "folder", 99, 0, 0, true}) == '-');
    CHECK(taken_for(&b, &(struct thing){"d", "tiny", 15, 100, 0, false}) == '-');
}
END

/* An editor's new file has the inode of one that another editor replaced. */
TEST(a_file_of_this_very_name_comes_before_one_that_had_its_inode)
{
    static const struct thing in_a[] = {{"a", "v1.c", 1, 1000, '1', false},
                                        {"a", "v2.c", 2, 1000, '2', false}};
    AUTO(bench) struct bench b;

    bench_init(&b, in_a, 2, "a");
    CHECK(taken_for(&b, &(struct thing){"a", "v1.c", 2, 1000, 0, false}) == '1');
    /* Not one whose name differs in digits, nor one in another folder. */
    CHECK(taken_for(&b, &(struct thing){"a", "v3.c", 1, 1000, 0, false}) == '1');
    CHECK(taken_for(&b, &(struct thing){"b", "v1.c", 2, 1000, 0, false}) == '2');
}
END

TEST(of_files_that_are_alike_the_place_then_the_whole_name_then_the_size_decides)
{
    static const struct thing in_a[] = {{"a", "v1.c", 1, 1000, '1', false},
                                        {"a", "v2.c", 2, 1100, '2', false}};
    static const struct thing in_b[] = {{"b", "v1.c", 3, 1000, '3', false}};
    AUTO(bench) struct bench b;
    AUTO(bench) struct bench more;

    bench_init(&b, in_a, 2, "a");
    bench_init(&more, in_b, 1, "b");
    CHECK(taken_for(&b, &(struct thing){"a", "v1.c", 99, 1100, 0, false}) == '1');
    CHECK(taken_for(&b, &(struct thing){"a", "v3.c", 99, 1100, 0, false}) == '2');
    CHECK(taken_for(&b, &(struct thing){"b", "v3.c", 99, 1010, 0, false}) == '1');
    CHECK(taken_for(&more, &(struct thing){"a", "v1.c", 99, 1000, 0, false}) == '3');
}
END

TEST(nothing_is_found_where_nothing_is_known_or_the_tree_is_lost)
{
    AUTO(moved) struct moved *m = moved_new();
    AUTO(store) struct store *s = store_memory_new();
    AUTO(repo) struct repo *r = fixture_repo(s);
    const struct thing t = {"d", "name", 1, 1000, 0, false};
    struct content_before found;
    struct hash content;
    const struct entry en = entry_of(&t, &content);

    CHECK(!moved_find(m, &en, slice_string("d"), &found));
    CHECK_OK(repo_load_index(r, e));

    AUTO(reader) struct reader *rd = reader_new(r);

    moved_add_all(m, rd, &content);
    CHECK(!moved_find(m, &en, slice_string("d"), &found));
}
END

/* A thousand of one name cost a bounded look, and the one with the inode is found among them. */
TEST(many_files_of_one_name_are_no_trouble)
{
    struct thing *many = mem_array(1000, sizeof(*many));
    char(*names)[16] = mem_array(1000, sizeof(*names));
    AUTO(bench) struct bench b;

    for (size_t i = 0; i < 1000; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "f%04zu", i);
        many[i] = (struct thing){"d", names[i], i + 1, 1000 + i / 10, (char)('a' + i % 26), false};
    }
    bench_init(&b, many, 1000, "d");
    CHECK(taken_for(&b, &(struct thing){"d", "f", 501, 1050, 0, false}) == (char)('a' + 500 % 26));
    CHECK(taken_for(&b, &(struct thing){"d", "f12345", 5000, 1050, 0, false}) != '-');
    mem_free(names);
    mem_free(many);
}
END

TESTS("moved", what_has_the_inode_is_taken_for_what_had_it,
      a_file_is_taken_for_one_of_its_name_but_for_digits_and_of_its_size,
      a_file_of_this_very_name_comes_before_one_that_had_its_inode,
      of_files_that_are_alike_the_place_then_the_whole_name_then_the_size_decides,
      nothing_is_found_where_nothing_is_known_or_the_tree_is_lost,
      many_files_of_one_name_are_no_trouble)
