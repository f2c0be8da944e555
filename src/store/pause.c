#include "store/pause.h"

#include <poll.h>
#include <stddef.h>

#include "base/cancel.h"
#include "base/clock.h"

#define CANCEL_POLL_NS (NS_PER_S / 20)

bool pause_until(int64_t end_ns, struct err *e)
{
    for (;;) {
        if (cancel_is_requested())
            return cancel_err(e);

        const int64_t left_ns = end_ns - clock_monotonic_ns();

        if (left_ns <= 0)
            return true;

        const struct timespec t = {.tv_nsec =
                                       (long)(left_ns < CANCEL_POLL_NS ? left_ns : CANCEL_POLL_NS)};

        (void)ppoll(NULL, 0, &t, NULL); /* interrupted or not, the loop looks at the clock */
    }
}
