/*
 * The processes below this one, as /proc shows them.  Private to the keeper of a job.
 */
#ifndef JOB_CHILD_WATCH_H
#define JOB_CHILD_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Let orphans below us become our children, so that none is lost from sight. */
MUST_CHECK bool child_watch_begin(struct err *e);

/* CPU time of all processes below us, and of their children that have ended, in ms.  Less than
 * before when some have ended.  Blocks for as long as /proc takes. */
int64_t child_watch_cpu_ms(void);

/* Kill all processes below us and reap those that are our children, until there are none; false
 * when some stay (they hang in the kernel). */
bool child_watch_kill_all(void);

/* When a process started, in ticks since boot as /proc has it; 0 when it is gone. */
uint64_t child_watch_started(pid_t pid);

/*
 * Whether a job that told nothing new has moved in a while: it used more than a thousandth of the
 * time.  Waiting in a loop takes less: ten looks a second are about 0.2 ms.
 */
static inline bool child_watch_has_moved(int64_t before_ms, int64_t now_ms, int64_t elapsed_ms)
{
    return now_ms < before_ms || (now_ms - before_ms) * 1000 > elapsed_ms;
}

#endif
