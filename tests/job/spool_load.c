/*
 * How many bundles a second become durable: spool_load FOLDER [THREADS [BUNDLES]] puts bundles of
 * the size that the published client sends into FOLDER/spool, and prints one line of JSON.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "job/spooling.h"

struct load {
    struct spool *spool;
    uint64_t bundles;
    atomic_uint_fast64_t begun, done;
};

static void *push(void *arg)
{
    struct load *l = arg;

    while (atomic_fetch_add(&l->begun, 1) < l->bundles) {
        struct spool_receipt r;
        struct err e;

        if (put_text(l->spool,
                     "{\"timestamp\":\"2026-11-20T20:50:02.080Z\",\"version\":\"1.0.0\",\"data\":{"
                     "\"users\":[],\"sessions\":[],\"firewall_state\":{},\"metadata\":{\"source\":"
                     "\"main-private-files\",\"buildTime\":1795207802098}}}",
                     &r, &e))
            atomic_fetch_add(&l->done, 1);
    }
    return NULL;
}

static uint64_t number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    uint64_t v = otherwise;
    struct err e;

    return text != NULL && !parse_u64(text, &v, &e) ? otherwise : v;
}

TEST(bundles_become_durable)
{
    const uint64_t threads = number("SPOOL_THREADS", 32);
    AUTO(mem) pthread_t *t = mem_array(threads, sizeof(*t));
    AUTO(store) struct store *store = store_memory_new();
    AUTO(repo) struct repo *repo = fixture_repo(store);
    AUTO(spool) struct spool *spool = NULL;
    AUTO(buf) struct buf folder = {0};
    const char *place = getenv("SPOOL_FOLDER");
    struct load load = {.bundles = number("SPOOL_BUNDLES", 2000)};

    buf_printf(&folder, "%s/spool", place == NULL ? "." : place);
    const struct spool_options o = spool_options_of(buf_string(&folder));

    spool_let_in(o.folder, repo);
    CHECK_OK(spool_open(&o, &spool, e));
    load.spool = spool;

    const int64_t began_ns = clock_monotonic_ns();

    for (uint64_t i = 0; i < threads; i++)
        thread_start(&t[i], push, &load, "push");
    for (uint64_t i = 0; i < threads; i++)
        thread_join(t[i]);

    const double seconds = (double)(clock_monotonic_ns() - began_ns) / (double)NS_PER_S;

    printf("{\"threads\": %llu, \"durable\": %llu, \"seconds\": %.3f, \"per_second\": %.0f}\n",
           (unsigned long long)threads, (unsigned long long)load.done, seconds,
           (double)load.done / seconds);
    ck_assert_uint_eq(load.done, load.bundles);
}
END

TESTS("spool load", bundles_become_durable)
