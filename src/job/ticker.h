/*
 * Calls a function about ten times a second from a thread of its own, and once more at the
 * end: progress of long work whose threads have better things to do.
 */
#ifndef JOB_TICKER_H
#define JOB_TICKER_H

typedef void ticker_fn(void *arg);

struct ticker;
/* fn NULL: does nothing. */
struct ticker *ticker_start(ticker_fn *fn, void *arg);
/* Ends the thread, then calls fn a last time; accepts NULL. */
void ticker_stop(struct ticker *t);
void ticker_auto(struct ticker **t);

#endif
