#include "base/hangup.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

/* Atomic and lock-free: set by the signal handler, taken by a thread. */
static atomic_bool is_due;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&is_due, true);
}

void hangup_install(void)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    (void)sigaction(SIGHUP, &action, NULL); /* fails for invalid numbers only */
}

bool hangup_take(void)
{
    return atomic_exchange(&is_due, false);
}
