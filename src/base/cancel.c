#include "base/cancel.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

/* Atomic and lock-free: set by signal handlers, read by every thread. */
static atomic_bool is_requested;
static atomic_bool is_signalled;

static void on_signal(int number)
{
    if (atomic_exchange(&is_signalled, true))
        _exit(128 + number);
    cancel_request();
}

void cancel_install(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        struct sigaction old = {0};

        /* nohup and background jobs of a shell start with these ignored, and mean it. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL); /* fails for invalid numbers only */
    }
}

void cancel_request(void)
{
    atomic_store(&is_requested, true);
}

bool cancel_is_requested(void)
{
    return atomic_load(&is_requested);
}

bool cancel_err(struct err *e)
{
    return err_set(e, ERR_CANCELLED, "interrupted");
}
