/*
 * Directories of packs after they were opened.  The first byte chooses the class.  What is
 * accepted has sums that hold.
 */
#include <assert.h>

#include "repo/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frame(const struct pack_directory *d, const struct pack_frame *f)
{
    uint64_t sum = 0;

    assert(f->plain_size > 0 && f->plain_size <= FRAME_PLAIN_MAX);
    assert((uint64_t)f->offset + f->sealed_size <= STORE_OBJECT_MAX);
    assert((size_t)f->first_chunk + f->chunk_count <= d->chunk_count);
    for (size_t i = f->first_chunk; i < (size_t)f->first_chunk + f->chunk_count; i++) {
        assert(d->chunks[i].offset == sum);
        assert(d->chunks[i].size > 0 && d->chunks[i].size <= CHUNK_MAX);
        sum += d->chunks[i].size;
    }
    assert(sum == f->plain_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(pack_directory) struct pack_directory d = {0};
    struct err e = {0};

    if (size == 0)
        return 0;
    if (!pack_directory_decode(SLICE_OF(data + 1, size - 1),
                               data[0] % 2 == 0 ? CLASS_CONTENT : CLASS_TREE, &d, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return 0;
    }

    uint64_t end = SEAL_HEADER_SIZE;

    for (size_t i = 0; i < d.frame_count; i++) {
        check_frame(&d, &d.frames[i]);
        assert(d.frames[i].offset == end);
        end += d.frames[i].sealed_size;
    }
    assert(pack_size_of(&d, size - 1) == end + size - 1 + SEAL_TAG_SIZE + PACK_TRAILER_SIZE);
    return 0;
}
