#include "codec/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include "base/mem.h"

void random_bytes(void *out, size_t size)
{
    uint8_t *at = out;

    while (size > 0) {
        const ssize_t n = getrandom(at, size, 0);

        if (n < 0 && errno != EINTR)
            mem_exit("the kernel gives no random bytes");
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}
