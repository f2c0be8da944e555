/*
 * Pages of directories as they come out of a tree chunk.  Whatever is accepted has one encoded
 * form: encoding it again gives the same bytes.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read entries off the front of s until one is refused. */
static void fuzz_entries(struct slice s)
{
    struct entry en;
    struct err e;

    while (s.size > 0) {
        const struct slice before = s;
        AUTO(buf) struct buf again = {0};

        if (!entry_decode(&s, &en, &e)) {
            assert(e.code == ERR_CORRUPT && s.data == before.data && s.size == before.size);
            return;
        }
        entry_encode(&en, &again);
        assert(slice_is_equal(SLICE_OF(before.data, before.size - s.size), buf_slice(&again)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice in = {data, size};
    enum page_kind kind;
    uint32_t count = 0;
    struct slice body;
    struct err e;

    fuzz_entries(in);
    if (!page_open(in, &kind, &count, &body, &e))
        return 0;

    AUTO(buf) struct buf again = {0};

    page_begin(&again, kind);
    buf_append_slice(&again, body);
    page_finish(&again, count);
    assert(slice_is_equal(in, buf_slice(&again)));
    if (kind == PAGE_ENTRIES)
        fuzz_entries(body);
    return 0;
}
