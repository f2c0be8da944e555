/*
 * How fast a very large index is opened and looked up: script/bench-index builds and runs this.
 *
 *     repo_index_bench make FOLDER CHUNKS     a segment of made-up chunks, 42 bytes each
 *     repo_index_bench measure FOLDER CHUNKS [MARKED]
 *
 * Two chunks in a frame, 32 frames in a pack; chunks that follow each other in packs have ids that
 * do not.  The index object that the segment is said to be of is listed, and never read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "repo/bits.h"
#include "repo/index_cache.h"
#include "repo/world.h"

#define IN_FRAME   2
#define IN_PACK    64
#define CHUNK      ((uint32_t)512 << 10)
#define LOOKUPS    ((size_t)400000)
#define DEMAND(ok) demand((ok), #ok)

static void demand(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "failed: %s\n", what);
    exit(1);
}

static uint64_t mix(uint64_t n)
{
    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

/* The i-th id of so many in ascending order; odd ones of twice as many are in no index. */
static struct hash id_at(uint64_t i, uint64_t count)
{
    const uint64_t step = UINT64_MAX / (2 * count);
    const uint64_t words[4] = {__builtin_bswap64(i * step + mix(i) % step), mix(~i), 0, 0};
    struct hash id;

    memcpy(id.bytes, words, sizeof(id.bytes));
    return id;
}

/* A permutation: where the i-th id stands among the chunks of all packs, and the other way. */
struct shuffle {
    uint64_t count, factor, inverse;
};

static uint64_t times(uint64_t a, uint64_t b, uint64_t count)
{
    return (uint64_t)((__uint128_t)a * b % count);
}

static struct shuffle shuffle_of(uint64_t count)
{
    struct shuffle s = {.count = count, .factor = count / 8 * 5};

    for (;; s.factor++) { /* until it has an inverse, by Euclid */
        int64_t r0 = (int64_t)count, r1 = (int64_t)s.factor, t0 = 0, t1 = 1;

        while (r1 != 0) {
            const int64_t q = r0 / r1, r2 = r0 - q * r1, t2 = t0 - q * t1;

            r0 = r1;
            r1 = r2;
            t0 = t1;
            t1 = t2;
        }
        if (r0 != 1)
            continue;
        s.inverse = (uint64_t)(t0 < 0 ? t0 + (int64_t)count : t0);
        return s;
    }
}

static struct hash numbered(uint64_t n)
{
    struct hash id;

    sha256(SLICE_OF(&n, sizeof(n)), &id);
    return id;
}

static struct repo *open_repo(const char *folder, struct store **s)
{
    const struct store_options options = {0};
    AUTO(buf) struct buf at = {0};
    struct repo *r = NULL;
    struct err e;

    buf_printf(&at, "%s/repository", folder);
    DEMAND(dir_make_all(buf_string(&at), 0700, &e) && store_open(buf_string(&at), &options, s, &e));
    DEMAND(repo_open(*s, &world_unlock, &r, &e) || repo_create(*s, &world_unlock, "", &r, &e));
    repo_keep_in(r, folder, true);
    return r;
}

/* A segment */

static void fill(struct segment_tables *t, struct segment_pack *packs, struct index_frame *frames,
                 struct index_entry *entries)
{
    const struct shuffle s = shuffle_of(t->entry_count);

    for (size_t i = 0; i < t->pack_count; i++)
        packs[i] = (struct segment_pack){.id = numbered(i),
                                         .size = (uint64_t)CHUNK * IN_PACK,
                                         .first_frame = (uint32_t)(i * (IN_PACK / IN_FRAME)),
                                         .frame_count = IN_PACK / IN_FRAME,
                                         .chunk_count = IN_PACK,
                                         .class = CLASS_CONTENT};
    for (size_t i = 0; i < t->frame_count; i++)
        frames[i] = (struct index_frame){.pack = (uint32_t)(i / (IN_PACK / IN_FRAME)),
                                         .offset = 1,
                                         .sealed_size = CHUNK,
                                         .plain_size = CHUNK * IN_FRAME};
    for (size_t i = 0; i < t->entry_count; i++) {
        const uint64_t at = times(i, s.factor, s.count);
        const struct hash id = id_at(2 * i, t->entry_count);

        entries[i] = (struct index_entry){.frame = (uint32_t)(at / IN_FRAME),
                                          .offset = (uint32_t)(at % IN_FRAME) * CHUNK,
                                          .size = CHUNK};
        memcpy(entries[i].prefix, id.bytes, PREFIX_SIZE);
    }
}

static void make(const char *folder, uint64_t chunks)
{
    struct store *store;
    struct repo *r = open_repo(folder, &store);
    const struct index_source source = {.id = numbered(UINT64_MAX)};
    const struct index_base none = {.offset = 0};
    struct segment_tables t = {.sources = &source,
                               .bases = &none,
                               .source_count = 1,
                               .pack_count = chunks / IN_PACK,
                               .frame_count = chunks / IN_FRAME,
                               .entry_count = chunks};
    AUTO(mem) struct segment_pack *packs = mem_array(t.pack_count, sizeof(*packs));
    AUTO(mem) struct index_frame *frames = mem_array(t.frame_count, sizeof(*frames));
    AUTO(mem) struct index_entry *entries = mem_array(t.entry_count, sizeof(*entries));
    AUTO(buf) struct buf at = {0};
    const struct segment_input input = {.tables = &t};
    AUTO(index_cache) struct index_cache cache;
    char key[OBJECT_KEY_MAX], name[SEGMENT_NAME_MAX];
    struct err e;

    t.packs = packs;
    t.frames = frames;
    t.entries = entries;
    fill(&t, packs, frames, entries);
    index_cache_open(r, &cache);
    buf_printf(&at, "%s/segments", folder);
    DEMAND(dir_make_all(buf_string(&at), 0700, &e) && dir_open(buf_string(&at), &cache.dir, &e));

    const int64_t begin = clock_monotonic_ns();

    DEMAND(segment_write(cache.dir, cache.owner, &input, 1, name, &e));
    printf("written and synced in %.1f s\n", (double)(clock_monotonic_ns() - begin) / 1e9);
    object_key("index", &source.id, key);
    DEMAND(store_put(store, key, slice_string("never read"), PUT_REPLACE, &e));
    repo_close(r);
    store_close(store);
}

/* Measuring */

static double processor_s(void)
{
    struct rusage u;

    DEMAND(getrusage(RUSAGE_SELF, &u) == 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void tell_memory(const char *when)
{
    static const char *const lines[] = {"VmHWM", "RssAnon", "RssFile"};
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];

    printf("%s:", when);
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
            if (strncmp(line, lines[i], strlen(lines[i])) == 0)
                printf(" %s %.0f MiB", lines[i], strtod(strchr(line, ':') + 1, NULL) / 1024);
    printf("\n");
    if (f != NULL)
        fclose(f);
}

static int order(const void *a, const void *b)
{
    const int64_t l = *(const int64_t *)a, r = *(const int64_t *)b;

    return l < r ? -1 : l > r;
}

static void look_up(struct index *ix, uint64_t chunks, bool present, const char *what)
{
    AUTO(mem) int64_t *took = mem_array(LOOKUPS, sizeof(*took));

    for (size_t i = 0; i < LOOKUPS; i++) {
        const struct hash id = id_at(2 * (mix(i) % chunks) + (present ? 0 : 1), chunks);
        struct place at;
        const int64_t begin = clock_monotonic_ns();
        const bool is_there = index_find_live(ix, &id, &at);

        took[i] = clock_monotonic_ns() - begin;
        DEMAND(is_there == present);
    }
    qsort(took, LOOKUPS, sizeof(*took), order);
    printf("%s: p50 %.2f us, p99 %.2f us, p99.9 %.2f us, most %.0f us\n", what,
           (double)took[LOOKUPS / 2] / 1e3, (double)took[LOOKUPS / 100 * 99] / 1e3,
           (double)took[LOOKUPS / 1000 * 999] / 1e3, (double)took[LOOKUPS - 1] / 1e3);
}

/* Find and mark chunks in the order of packs, as the walk over snapshots asks for them. */
static void mark(struct index *ix, uint64_t chunks, uint64_t marked)
{
    const struct shuffle s = shuffle_of(chunks);
    AUTO(mem) uint64_t *bits = bits_new(index_entry_room(ix));
    const int64_t begin = clock_monotonic_ns();

    for (uint64_t n = 0; n < marked; n++) {
        const struct hash id = id_at(2 * times(n, s.inverse, chunks), chunks);
        size_t number = INDEX_NO_ENTRY;
        struct place at;

        DEMAND(index_entry_next(ix, id.bytes, &number, &at) &&
               index_frame_state(ix, at.frame) == PACK_LIVE && !bits_have(bits, number));
        bits_add(bits, number);
    }
    printf("%" PRIu64 " chunks marked in %.1f s\n", marked,
           (double)(clock_monotonic_ns() - begin) / 1e9);
}

static void measure(const char *folder, uint64_t chunks, uint64_t marked)
{
    struct store *store;
    struct repo *r = open_repo(folder, &store);
    uint32_t number = 0;
    struct err e;
    const double before = processor_s();
    int64_t begin = clock_monotonic_ns();

    DEMAND(repo_load_index(r, &e));
    printf("opened in %.3f s, %.3f s of a processor\n",
           (double)(clock_monotonic_ns() - begin) / 1e9, processor_s() - before);
    DEMAND(index_chunk_count(r->index) == chunks && r->index->segment_count == 1);
    tell_memory("after opening");
    begin = clock_monotonic_ns();
    for (uint64_t i = 0; i < chunks / IN_PACK; i++) {
        const struct hash id = numbered(i);

        DEMAND(index_has_pack(r->index, &id, &number));
        index_set_pack_state(r->index, number, PACK_LIVE);
    }
    printf("packs named and found in %.3f s\n", (double)(clock_monotonic_ns() - begin) / 1e9);
    look_up(r->index, chunks, false, "absent, first");
    look_up(r->index, chunks, false, "absent, warm");
    tell_memory("after those");
    look_up(r->index, chunks, true, "present, first");
    look_up(r->index, chunks, true, "present, warm");
    tell_memory("after those");
    begin = clock_monotonic_ns();
    DEMAND(index_is_sound(r->index));
    printf("the rest checked in %.1f s\n", (double)(clock_monotonic_ns() - begin) / 1e9);
    mark(r->index, chunks, marked);
    tell_memory("after marking");
    repo_close(r);
    store_close(store);
}

int main(int argc, char **argv)
{
    const uint64_t chunks = argc < 4 ? 0 : strtoull(argv[3], NULL, 10) / IN_PACK * IN_PACK;

    if (chunks == 0) {
        fprintf(stderr, "usage: repo_index_bench make|measure FOLDER CHUNKS [MARKED]\n");
        return 2;
    }
    setbuf(stdout, NULL);
    if (strcmp(argv[1], "make") == 0)
        make(argv[2], chunks);
    else
        measure(argv[2], chunks, argc < 5 ? chunks : strtoull(argv[4], NULL, 10));
    return 0;
}
