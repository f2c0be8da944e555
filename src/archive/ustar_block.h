/*
 * Where what stands in the header block of a tar archive (POSIX.1-2008, pax, "ustar Interchange
 * Format").  Private to src/archive.
 */
#ifndef ARCHIVE_USTAR_BLOCK_H
#define ARCHIVE_USTAR_BLOCK_H

#include "archive/ustar.h"

enum {
    USTAR_NAME_SIZE = 100, /* at 0 */
    USTAR_MODE = 100,
    USTAR_UID = 108,
    USTAR_GID = 116,
    USTAR_SIZE = 124,
    USTAR_MTIME = 136,
    USTAR_CHECKSUM = 148,
    USTAR_CHECKSUM_SIZE = 8,
    USTAR_TYPE = 156,
    USTAR_LINK = 157,
    USTAR_MAGIC = 257, /* and version */
    USTAR_MAGIC_SIZE = 8,
    USTAR_PREFIX = 345,
    USTAR_PREFIX_SIZE = 155,
};

#define ustar_magic "ustar\00000"

/* The sum of the bytes, those of the checksum itself taken as blanks. */
static inline uint64_t ustar_checksum(const uint8_t block[USTAR_BLOCK])
{
    uint64_t sum = (uint64_t)' ' * USTAR_CHECKSUM_SIZE;

    for (size_t i = 0; i < USTAR_BLOCK; i++)
        sum += i < USTAR_CHECKSUM || i >= USTAR_CHECKSUM + USTAR_CHECKSUM_SIZE ? block[i] : 0;
    return sum;
}

#endif
