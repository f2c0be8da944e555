#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/entry.h"

static bool open_page(struct slice page, struct err *e)
{
    enum page_kind kind;
    uint32_t count;
    struct slice body;

    return page_open(page, &kind, &count, &body, e);
}

static void fifo_append(struct buf *out, const char *name)
{
    const struct entry en = {.type = ENTRY_FIFO, .name = slice_string(name)};

    entry_encode(&en, out);
}

TEST(a_page_of_entries_gives_them_back)
{
    AUTO(buf) struct buf page = {0};
    enum page_kind kind;
    uint32_t count = 0;
    struct slice body;
    struct entry en;

    buf_append(&page, "old", 3);
    page_begin(&page, PAGE_ENTRIES);
    fifo_append(&page, "a");
    fifo_append(&page, "b");
    page_finish(&page, 2);
    CHECK(memcmp(page.data, "\1\0\0\0\2\0\0\0\4\0\1a", 12) == 0);
    CHECK_OK(page_open(buf_slice(&page), &kind, &count, &body, e));
    CHECK(kind == PAGE_ENTRIES && count == 2);
    CHECK_OK(entry_decode(&body, &en, e));
    CHECK_OK(entry_decode(&body, &en, e));
    CHECK(slice_is_equal(en.name, slice_string("b")) && body.size == 0);
}

TEST(a_page_of_pages_holds_exactly_its_ids)
{
    AUTO(buf) struct buf page = {0};
    const struct hash ids[2] = {{{1}}, {{2}}};
    enum page_kind kind;
    uint32_t count = 0;
    struct slice body;

    page_begin(&page, PAGE_PAGES);
    buf_append(&page, ids, sizeof(ids));
    page_finish(&page, 2);
    CHECK_OK(page_open(buf_slice(&page), &kind, &count, &body, e));
    CHECK(kind == PAGE_PAGES && count == 2 && body.size == sizeof(ids));
    for (size_t size = 0; size < page.size; size++)
        CHECK_ERR(open_page(SLICE_OF(page.data, size), e), ERR_CORRUPT);
    buf_put_u8(&page, 0);
    CHECK_ERR(open_page(buf_slice(&page), e), ERR_CORRUPT);
}

TEST(an_empty_page_is_a_page)
{
    AUTO(buf) struct buf page = {0};

    page_begin(&page, PAGE_ENTRIES);
    page_finish(&page, 0);
    ck_assert_uint_eq(page.size, 8);
    CHECK_OK(open_page(buf_slice(&page), e));
}

TEST(unknown_versions_kinds_and_reserved_bytes_are_refused)
{
    AUTO(buf) struct buf page = {0};

    page_begin(&page, PAGE_ENTRIES);
    for (size_t i = 0; i < 4; i++) {
        const uint8_t was = page.data[i];

        page.data[i] = 2;
        CHECK_ERR(open_page(buf_slice(&page), e), ERR_CORRUPT);
        page.data[i] = was;
    }
    page.data[0] = 0;
    CHECK_ERR(open_page(buf_slice(&page), e), ERR_CORRUPT);
}

/* The shortest entry there is has a name of one byte and no rest. */
TEST(a_count_that_the_bytes_cannot_hold_is_refused)
{
    AUTO(buf) struct buf page = {0};

    page_begin(&page, PAGE_ENTRIES);
    for (unsigned i = 0; i < 5; i++)
        fifo_append(&page, "a");
    page_finish(&page, 5);
    CHECK_OK(open_page(buf_slice(&page), e));
    page_finish(&page, 6);
    CHECK_ERR(open_page(buf_slice(&page), e), ERR_CORRUPT);
    page_finish(&page, UINT32_MAX);
    CHECK_ERR(open_page(buf_slice(&page), e), ERR_CORRUPT);
}

TEST(names_do_not_end_pages_outside_the_bounds)
{
    unsigned ends = 0;

    for (unsigned i = 0; i < 20000; i++) {
        char name[20];
        const int n = snprintf(name, sizeof(name), "f%u", i);
        const struct slice s = SLICE_OF(name, (size_t)n);

        CHECK(!page_is_full(1, 100, s));
        CHECK(!page_is_full(PAGE_ENTRIES_MIN - 1, PAGE_SIZE_MAX - 1, s));
        CHECK(page_is_full(PAGE_ENTRIES_MAX, 100, s));
        CHECK(page_is_full(1, PAGE_SIZE_MAX, s));
        ends += page_is_full(PAGE_ENTRIES_MIN, 100, s);
    }
    CHECK(ends > 20 && ends < 60); /* one in 512 of them: 39 */
}

/* The numbers of entries that pages of a directory of "f0", "f1" ... have. */
static size_t page_lengths(unsigned first, unsigned last, uint32_t *lengths)
{
    size_t pages = 0;
    uint32_t count = 0;

    for (unsigned i = first; i < last; i++) {
        char name[20];
        const int n = snprintf(name, sizeof(name), "f%u", i);

        count++;
        if (page_is_full(count, count * 50, SLICE_OF(name, (size_t)n))) {
            lengths[pages++] = count;
            count = 0;
        }
    }
    return pages;
}

TEST(a_name_removed_changes_the_pages_near_it_only)
{
    enum { ENTRIES = 50000 };
    AUTO(mem) uint32_t *before = mem_array(ENTRIES, sizeof(*before));
    AUTO(mem) uint32_t *after = mem_array(ENTRIES, sizeof(*after));
    const size_t m = page_lengths(0, ENTRIES, before);
    const size_t n = page_lengths(1, ENTRIES, after);
    size_t same = 0;

    CHECK(m > 40 && m < 100);
    while (same < m && same < n && before[m - 1 - same] == after[n - 1 - same])
        same++;
    CHECK(same + 8 >= m);
}

TESTS("page", a_page_of_entries_gives_them_back, a_page_of_pages_holds_exactly_its_ids,
      an_empty_page_is_a_page, unknown_versions_kinds_and_reserved_bytes_are_refused,
      a_count_that_the_bytes_cannot_hold_is_refused, names_do_not_end_pages_outside_the_bounds,
      a_name_removed_changes_the_pages_near_it_only)
