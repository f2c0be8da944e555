/*
 * A thousand operations on a store behind a network that fails again and again: afterwards the
 * process holds no more descriptors and no more memory than after the first hundred.  The faults
 * come from tests/stores/proxy.py before the gateway that HOLDFAST_TEST_S3_URL names.
 */
#define TEST_SECONDS 240
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../store/scratch.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "codec/random.h"
#include "store/store.h"
#include "support/test.h"

enum {
    WARM_UP = 100, /* connections are made, buffers have grown */
    OPERATIONS = 1000,
    THREADS = 4,
    STEPS = 6, /* of operation() */
    OBJECT_SIZE = 20000,
    MORE_MEMORY = 128 << 10, /* bytes; ten a call would be noticed only by the sanitizer */
    MORE_PAGES = 16 << 20,
};

static const char plan[] =
    "{\"seed\": 3, \"rules\": [{\"chance\": 0.3, \"fault\": [\"drop\", \"reset\", \"lost-reply\","
    " \"truncate\", \"wrong-body\", \"garbage\", {\"fault\": \"status\", \"status\": 503},"
    " {\"fault\": \"status\", \"status\": 403, \"code\": \"AccessDenied\"},"
    " {\"fault\": \"status\", \"status\": 500, \"early\": true}]}]}";

struct world {
    char *folder;
    struct child proxy;
    struct buf url;
    struct store_secrets secrets;
    struct store_options options;
};

static void world_auto(struct world *w)
{
    struct err ignored;

    store_secrets_auto(&w->secrets);
    (void)kill(w->proxy.pid, SIGKILL);
    (void)!child_wait(&w->proxy, &ignored); /* it was killed */
    buf_done(&w->url);
    scratch_auto(&w->folder);
}

/* Append the value of "url" in the line that the proxy prints. */
static void read_url(int fd, struct buf *out)
{
    char line[200] = "";
    size_t got = 0;

    while (got < sizeof(line) - 1 && strchr(line, '\n') == NULL) {
        const ssize_t n = read(fd, line + got, sizeof(line) - 1 - got);

        ck_assert_msg(n > 0, "the proxy says nothing");
        got += (size_t)n;
    }

    const char *url = strstr(line, "\"url\": \"");

    CHECK(url != NULL);
    url += strlen("\"url\": \"");
    buf_append(out, url, strcspn(url, "\""));
}

static void world_init(struct world *w)
{
    char *gateway = getenv("HOLDFAST_TEST_S3_URL");
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];

    CHECK(gateway != NULL); /* "script/test stores" sets it */
    *w = (struct world){.folder = scratch_new(), .proxy = CHILD_NONE};
    scratch_write(scratch_join(w->folder, "plan").text, plan);

    struct scratch_path plan_path = scratch_join(w->folder, "plan");
    char python[] = "/usr/bin/python3", proxy[] = PROXY;
    char *const argv[] = {python, proxy, gateway, plan_path.text, NULL};

    CHECK_OK(child_start(argv, &w->proxy, e));
    buf_printf(&w->url, "s3:");
    read_url(w->proxy.out_fd, &w->url);
    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), digits);
    buf_printf(&w->url, "/leaks-%s/p", digits);
    w->options.secrets = &w->secrets;
    CHECK_OK(store_option_set(&w->options, "s3.patience=1", e));
    CHECK_OK(store_option_set(&w->options, "s3.timeout=2", e));
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    CHECK(closedir(folder) == 0);
    return count - 3; /* ".", ".." and the folder itself */
}

static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long all = 0, resident = 0;

    CHECK(f != NULL && fscanf(f, "%ld %ld", &all, &resident) == 2);
    CHECK(fclose(f) == 0);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* One of each kind in turn.  Whether it succeeds is left to the faults. */
static void operation(struct store *s, int n)
{
    AUTO(buf) struct buf got = {0};
    struct object_info info;
    struct err e;
    char key[40];
    uint8_t *bytes = mem_new(OBJECT_SIZE);
    int count = 0;

    memset(bytes, n, OBJECT_SIZE);
    (void)snprintf(key, sizeof(key), "packs/%02d", n / STEPS % 20);
    switch (n % STEPS) {
    case 0:
        (void)!store_put(s, key, SLICE_OF(bytes, OBJECT_SIZE), PUT_REPLACE, &e);
        break;
    case 1:
        (void)!store_get(s, key, 100, 1000, &got, &e);
        break;
    case 2:
        (void)!store_get_all(s, key, &got, &e);
        break;
    case 3:
        (void)!store_stat(s, key, &info, &e);
        break;
    case 4:
        (void)!scratch_list(s, "packs/", &count, &e);
        break;
    default:
        (void)!store_remove(s, key, &e);
    }
    mem_free(bytes);
}

struct part {
    struct store *store;
    int from, count;
};

static void *run_part(void *arg)
{
    const struct part *p = arg;

    for (int i = 0; i < p->count; i++)
        operation(p->store, p->from + i);
    return NULL;
}

static void run_all(struct store *s, int count)
{
    pthread_t threads[THREADS];
    struct part parts[THREADS];

    for (int i = 0; i < THREADS; i++) {
        parts[i] = (struct part){s, i * 17, count / THREADS};
        CHECK(pthread_create(&threads[i], NULL, run_part, &parts[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

TEST(a_thousand_operations_that_fail_leave_nothing_behind)
{
    AUTO(world) struct world w;

    world_init(&w);

    const int before = open_descriptors();
    struct store *s = NULL;
    struct err refused;

    for (int i = 0; s == NULL && i < 20; i++) /* faults strike here, too */
        (void)!store_create(buf_string(&w.url), &w.options, &s, &refused);
    ck_assert_msg(s != NULL, "%s", refused.text);
    run_all(s, WARM_UP);

    const int descriptors = open_descriptors();
    const size_t allocated = mallinfo2().uordblks;
    const size_t resident = resident_bytes();

    run_all(s, OPERATIONS);
    ck_assert_int_le(open_descriptors(), descriptors + THREADS);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_uint_le(mallinfo2().uordblks, allocated + MORE_MEMORY);
    ck_assert_uint_le(resident_bytes(), resident + MORE_PAGES);
#else
    (void)allocated;
    (void)resident;
#endif
    store_close(s);
    ck_assert_int_eq(open_descriptors(), before);
}

TEST(a_store_that_is_opened_again_and_again_leaves_nothing_behind)
{
    AUTO(world) struct world w;
    size_t allocated = 0;
    int descriptors = 0;

    world_init(&w);
    for (int i = 0; i < 100; i++) {
        struct store *s = NULL;
        struct err refused;

        if (i == 20) {
            descriptors = open_descriptors();
            allocated = mallinfo2().uordblks;
        }
        if (!store_create(buf_string(&w.url), &w.options, &s, &refused))
            continue;
        operation(s, i);
        store_close(s);
    }
    ck_assert_int_eq(open_descriptors(), descriptors);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_uint_le(mallinfo2().uordblks, allocated + MORE_MEMORY);
#endif
}

TESTS("store leaks", a_thousand_operations_that_fail_leave_nothing_behind,
      a_store_that_is_opened_again_and_again_leaves_nothing_behind)
