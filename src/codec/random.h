/* Random bytes from the kernel.  Failure to get them ends the process. */
#ifndef CODEC_RANDOM_H
#define CODEC_RANDOM_H

#include <stddef.h>

void random_bytes(void *out, size_t size);

#endif
