#include "base/thread.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

void thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg, const char *name)
{
    enum { NAME_MAX_OF_LINUX = 16 };
    char shortened[NAME_MAX_OF_LINUX];

    if (pthread_create(t, NULL, fn, arg) != 0)
        mem_exit("the system does not allow another thread");

    /* The name is for people who look at the process from outside; a lost one harms nothing. */
    (void)!snprintf(shortened, sizeof(shortened), "%.15s", name);
    (void)pthread_setname_np(*t, shortened);
}

void thread_join(pthread_t t)
{
    const int result = pthread_join(t, NULL);

    assert(result == 0);
}

int thread_processors(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;

    /* More processors than a cpu_set_t holds. */
    const long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online > 0 ? (int)online : 1;
}
