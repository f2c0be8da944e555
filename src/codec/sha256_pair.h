/*
 * Private to src/codec: SHA-256 of two runs of bytes at once, for processors with the x86 SHA
 * extensions.  One stream leaves their units waiting for its own last result half of the time.
 */
#ifndef CODEC_SHA256_PAIR_H
#define CODEC_SHA256_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK_SIZE 64

/* Whether this processor can run sha256_pair(). */
bool sha256_pair_is_there(void);

/*
 * Take so many blocks of 64 bytes each from x into state a and from y into state b.  A state is
 * the eight words of FIPS 180-4, 5.3.3, as in SHA256_CTX.h of OpenSSL.
 */
void sha256_pair(uint32_t a[8], uint32_t b[8], const uint8_t *x, const uint8_t *y, size_t blocks);

#endif
