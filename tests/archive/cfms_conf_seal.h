/*
 * Backups of later CFMS servers in memory, sealed with one known key.
 */
#ifndef ARCHIVE_CFMS_CONF_SEAL_H
#define ARCHIVE_CFMS_CONF_SEAL_H

#include <lzma.h>

#include "archive/cfms_conf.h"
#include "codec/aead.h"

static const uint8_t fixture_key[CFMS_KEY_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                   11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                   22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* Append a container of what may be xz. */
static inline void fixture_conf_seal(struct slice payload, struct buf *out)
{
    static const char front[] =
        "CONF\0\0\0\xb1{\"compression\":\"xz\",\"core_version\":\"0.3.0.260519_alpha\","
        "\"created_at\":\"2026-05-20T06:46:34.123456+00:00\",\"encryption\":\"AES-256-GCM\","
        "\"format_version\":1,\"nonce\":\"AAECAwQFBgcICQoL\"}";
    static const uint8_t nonce[AEAD_NONCE_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    AUTO(aead) struct aead *a = aead_new();
    const struct slice prefix = SLICE_OF(front, sizeof(front) - 1);

    aead_set_key(a, SUITE_AES_256_GCM, AEAD_SEAL, fixture_key);
    buf_append_slice(out, prefix);
    aead_seal(a, nonce, prefix, payload, buf_extend(out, payload.size + SEAL_TAG_SIZE));
}

/* Append a container of the xz of what may be a tar archive. */
static inline void fixture_conf_pack(struct slice tar, struct buf *out)
{
    AUTO(buf) struct buf xz = {0};
    const size_t room = lzma_stream_buffer_bound(tar.size);
    size_t size = 0;

    if (lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL, tar.data, tar.size, buf_extend(&xz, room),
                                &size, room) != LZMA_OK)
        __builtin_trap();
    fixture_conf_seal(SLICE_OF(xz.data, size), out);
}

#endif
