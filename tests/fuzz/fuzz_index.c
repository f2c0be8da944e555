/*
 * Index documents after they were opened, into a table of chunks: every chunk of an accepted
 * pack is found where its frame says, and has a base when it stands in a delta.
 */
#include <assert.h>

#include "repo/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const struct index *ix)
{
    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (!index_entry_at(ix, i, prefix, &at))
            continue;

        const struct index_frame f = index_frame_at(ix, at.frame);

        assert((uint64_t)at.offset + at.size <= f.plain_size);
        assert(f.pack < index_pack_count(ix));
        assert((index_base_of(ix, &at) == NULL) == (f.base_count == 0));
        assert(!index_holds_bases(ix, at.frame) || f.base_count == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(index) struct index *ix = index_new();
    struct slice body;
    struct err e = {0};
    uint32_t count, number;

    if (!index_document_open(SLICE_OF(data, size), &count, &body, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct index_row row;

        if (!index_document_next(&body, &row, &e) ||
            !index_add_pack(ix, &row.id, row.class, PACK_LIVE, row.directory, &number, &e)) {
            assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
            break;
        }
        assert(index_has_pack(ix, &row.id, &number));
    }
    index_judge_deltas(ix);
    check_places(ix);
    return 0;
}
