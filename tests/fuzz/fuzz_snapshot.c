/*
 * JSON from anywhere is refused, or is a snapshot that reads back from its own text.
 */
#include <assert.h>

#include "base/mem.h"
#include "repo/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(snapshot) struct snapshot *again = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf same = {0};
    struct err e = {0};

    if (!snapshot_decode(SLICE_OF(data, size), &s, &e)) {
        assert((e.code == ERR_CORRUPT || e.code == ERR_USAGE) && e.text[0] != '\0');
        return 0;
    }
    assert(snapshot_encode(s, &text, &e) && snapshot_decode(buf_slice(&text), &again, &e));
    assert(snapshot_encode(again, &same, &e) && slice_is_equal(buf_slice(&text), buf_slice(&same)));
    return 0;
}
