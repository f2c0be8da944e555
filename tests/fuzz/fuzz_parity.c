/*
 * Parity from an untrusted store, beside an object: the first two bytes say how long the object is.
 */
#include <assert.h>

#include "base/buf.h"
#include "codec/parity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf out = {0};
    struct parity p = {0};
    struct err e = {0};
    size_t blocks = 0;

    if (size < 2)
        return 0;

    const size_t wanted = (size_t)(data[0] | data[1] << 8);
    const size_t length = wanted < size - 2 ? wanted : size - 2;
    const struct slice object = SLICE_OF(data + 2, length);
    const struct slice parity = SLICE_OF(data + 2 + length, size - 2 - length);

    if (!parity_open(parity, &p, &e)) {
        assert(e.text[0] != '\0' && (e.code == ERR_CORRUPT || e.code == ERR_USAGE));
        return 0;
    }
    /* What is claimed is bounded by what is there. */
    assert(p.shape.data == 1 || p.shape.shard_size <= parity.size);
    if (!parity_heal(&p, object, &out, &blocks, &e)) {
        assert(e.code == ERR_CORRUPT && out.size == 0);
        return 0;
    }

    struct hash found;

    sha256(buf_slice(&out), &found);
    assert(out.size == p.size && hash_is_equal(&found, &p.name));
    return 0;
}
