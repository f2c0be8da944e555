/*
 * How much of some bytes others have too, told in one pass and without compressing anything.
 */
#ifndef CODEC_LIKENESS_H
#define CODEC_LIKENESS_H

#include "base/buf.h"

/*
 * About how many bytes of now stand in no stretch that former has too.  A stretch of less than 16
 * bytes may go unseen; where former is longer than 32 KiB, one of less than a 2048th of it.
 */
size_t likeness_new_bytes(struct slice former, struct slice now);

#endif
