/*
 * Condemned lists after they were opened.
 */
#include <assert.h>

#include "repo/condemned_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(condemned_list) struct condemned_list l = {0};
    struct err e = {0};

    if (!condemned_list_decode(SLICE_OF(data, size), &l, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        assert(l.packs == NULL && l.snapshots == NULL);
        return 0;
    }
    assert(l.pack_count <= CONDEMNED_MAX && l.snapshot_count <= CONDEMNED_MAX);
    /* 64 digits each. */
    assert((l.pack_count + l.snapshot_count) * 64 <= size);
    return 0;
}
