/* What pages of trees are stored after: those that stood at the same place in the snapshot before.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "job/world.h"
#include "repo/index.h"

/* Chunks of trees in deltas. */
static size_t page_deltas(struct world *w)
{
    const struct index *ix = NULL;
    size_t count = 0;

    repo_drop_index(w->repo);
    CHECK_OK(repo_load_index(w->repo, e));
    ix = w->repo->index;
    for (uint32_t i = 0; i < index_frame_count(ix); i++) {
        const struct index_frame f = index_frame_at(ix, i);

        if (index_pack_at(ix, f.pack)->class == CLASS_TREE)
            count += f.base_count;
    }
    return count;
}

/* Files "d/00000" and so on, each with a line of its own. */
static void make_files(struct world *w, size_t count)
{
    CHECK(mkdir(path_in(w->dir.path, "d"), 0755) == 0);
    for (size_t i = 0; i < count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "d/%05zu", i);
        file_put(path_in(w->dir.path, name), i, 20);
    }
    clock_ahead();
    back_up(w);
    CHECK(page_deltas(w) == 0);
}

TEST(the_page_of_a_directory_in_which_a_file_changed_is_stored_as_what_differs)
{
    AUTO(world) struct world w;

    world_init(&w);
    make_files(&w, 60);
    file_put_text(path_in(w.dir.path, "d/00030"), "changed");
    back_up(&w);
    ck_assert_uint_eq(page_deltas(&w), 1);
    check_restores(&w);
    file_put_text(path_in(w.dir.path, "d/00031"), "changed too");
    CHECK(unlink(path_in(w.dir.path, "d/00001")) == 0);
    back_up(&w);
    ck_assert_uint_eq(page_deltas(&w), 2);
    check_restores(&w);
}
END

/* One changes in the first, one goes in the middle, one comes at the end, and with them the list.
 */
TEST(of_a_directory_of_many_pages_each_is_stored_after_the_one_that_stood_there)
{
    AUTO(world) struct world w;

    world_init(&w);
    make_files(&w, 5000);
    file_put_text(path_in(w.dir.path, "d/00000"), "changed");
    CHECK(unlink(path_in(w.dir.path, "d/02500")) == 0);
    file_put_text(path_in(w.dir.path, "d/99999"), "new");
    back_up(&w);
    CHECK(page_deltas(&w) >= 3 && page_deltas(&w) <= 4);
    /* Those above "d" are short. */
    CHECK(w.result.counts.tree_chunks >= page_deltas(&w));
    CHECK(w.result.counts.bytes_stored < 8000);
    check_restores(&w);
}
END

TEST(the_page_of_a_directory_that_moved_is_stored_after_the_one_of_its_former_place)
{
    AUTO(world) struct world w;

    world_init(&w);
    make_files(&w, 60);
    CHECK(rename(path_in(w.dir.path, "d"), path_in(w.dir.path, "elsewhere")) == 0);
    file_put_text(path_in(w.dir.path, "elsewhere/00030"), "changed");
    back_up(&w);
    ck_assert_uint_eq(page_deltas(&w), 1);
    check_restores(&w);
}
END

TEST(the_page_of_a_directory_whose_former_tree_is_lost_is_stored_whole)
{
    AUTO(world) struct world w;

    world_init(&w);
    make_files(&w, 60);
    for (size_t n = object_count(w.store, "packs/"); n > 0; n--) {
        char key[128];

        object_name(w.store, "packs/", n - 1, key);
        object_damage(w.store, key, SEAL_HEADER_SIZE + 20);
    }
    repo_drop_index(w.repo);
    file_put_text(path_in(w.dir.path, "d/00030"), "changed");
    back_up(&w);
    CHECK(w.result.is_committed && page_deltas(&w) == 0);
}
END

TEST(the_list_of_chunks_of_a_long_file_that_changed_is_stored_as_what_differs)
{
    AUTO(world) struct world w;
    AUTO(fd) int fd = -1;

    world_init(&w);
    file_put(path_in(w.dir.path, "long"), 1, 150 * MIB);
    clock_ahead();
    back_up(&w);
    CHECK(w.result.counts.data_chunks > ENTRY_DIRECT_MAX && page_deltas(&w) == 0);
    fd = open(path_in(w.dir.path, "long"), O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(fd, "changed", 7, 75 * MIB) == 7);
    back_up(&w);
    ck_assert_uint_eq(page_deltas(&w), 1);
    check_restores(&w);
}
END

TESTS("page base", the_page_of_a_directory_in_which_a_file_changed_is_stored_as_what_differs,
      of_a_directory_of_many_pages_each_is_stored_after_the_one_that_stood_there,
      the_page_of_a_directory_that_moved_is_stored_after_the_one_of_its_former_place,
      the_page_of_a_directory_whose_former_tree_is_lost_is_stored_whole,
      the_list_of_chunks_of_a_long_file_that_changed_is_stored_as_what_differs)
