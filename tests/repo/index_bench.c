/*
 * How fast a very large index is opened and looked up, and how fast what a snapshot needs is marked
 * in it: script/bench-index builds and runs this.
 *
 *     repo_index_bench make FOLDER CHUNKS     a segment of made-up chunks, 42 bytes each, and trees
 *                                             with files of all these chunks, 36 bytes each
 *     repo_index_bench open FOLDER CHUNKS     load it, and look chunks up
 *     repo_index_bench mark FOLDER CHUNKS [MIB]
 *                                             walk the trees; of the segments no more than about so
 *                                             much stays in memory, in the page cache neither
 *
 * Two chunks in a frame, 32 frames in a pack; chunks that follow each other in packs have ids that
 * do not.  The index object that the segment is said to be of is listed, and never read.  Packs of
 * content are in no store; those of the trees are.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "repo/index_cache.h"
#include "repo/mark.h"
#include "repo/world.h"

#define IN_FRAME   2
#define IN_PACK    64
#define IN_FILE    16
#define IN_FOLDER  64
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
    const uint64_t words[4] = {__builtin_bswap64(i * step + mix(i) % step), mix(~i), mix(i ^ 1),
                               mix(~i ^ 1)};
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

/* Trees over all chunks, in the order of packs. */
struct garden {
    struct writer *writer;
    struct shuffle shuffle;
    uint64_t next;
};

static void add_file(struct garden *g, struct entry *en, struct buf *page)
{
    uint8_t ids[IN_FILE * HASH_SIZE];
    size_t count = 0;

    for (; count < IN_FILE && g->next < g->shuffle.count; count++, g->next++) {
        const struct hash id =
            id_at(2 * times(g->next, g->shuffle.inverse, g->shuffle.count), g->shuffle.count);

        memcpy(ids + count * HASH_SIZE, id.bytes, HASH_SIZE);
    }
    en->type = ENTRY_FILE;
    en->cut = CUT_GENERAL;
    en->size = count * CHUNK;
    en->content = SLICE_OF(ids, count * HASH_SIZE);
    entry_encode(en, page);
}

/* A directory with so many levels of directories below it. */
static struct hash put_folder(struct garden *g, int depth)
{
    AUTO(buf) struct buf page = {0};
    uint32_t count = 0;
    struct hash id;
    struct err e;

    page_begin(&page, PAGE_ENTRIES);
    for (; count < IN_FOLDER && g->next < g->shuffle.count; count++) {
        const uint8_t name[] = {(uint8_t)('0' + count / 10), (uint8_t)('0' + count % 10)};
        struct entry en = {.type = ENTRY_DIRECTORY,
                           .name = SLICE_OF(name, sizeof(name)),
                           .mode = 0755,
                           .mtime_ns = (int64_t)mix(g->next),
                           .ctime_ns = (int64_t)mix(g->next),
                           .inode = g->next + 1,
                           .links = 1};

        if (depth == 0) {
            add_file(g, &en, &page);
            continue;
        }
        en.subtree = put_folder(g, depth - 1);
        entry_encode(&en, &page);
    }
    page_finish(&page, count);
    DEMAND(writer_put_tree(g->writer, CHUNK_TREE, buf_slice(&page), NULL, &id, &e));
    return id;
}

static void root_path(const char *folder, struct buf *out)
{
    buf_printf(out, "%s/root", folder);
}

static void plant(struct repo *r, const char *folder, uint64_t chunks)
{
    const struct writer_options o = {.level = 1, .workers = 1};
    struct garden g = {.shuffle = shuffle_of(chunks)};
    AUTO(buf) struct buf path = {0};
    struct writer_stats stats;
    uint64_t room = (uint64_t)IN_FILE * IN_FOLDER;
    struct err e;
    int depth = 0;

    for (; room < chunks; room *= IN_FOLDER)
        depth++;
    DEMAND(writer_open(r, &o, &g.writer, &e));

    const struct hash root = put_folder(&g, depth);

    DEMAND(writer_finish(g.writer, &stats, &e));
    writer_free(g.writer);
    root_path(folder, &path);

    FILE *f = fopen(buf_string(&path), "we");

    DEMAND(f != NULL && fwrite(root.bytes, HASH_SIZE, 1, f) == 1 && fclose(f) == 0);
    printf("%" PRIu64 " trees of %.2f GB, stored as %.2f GB\n", stats.tree_chunks,
           (double)stats.bytes_added / 1e9, (double)stats.bytes_stored / 1e9);
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
    plant(r, folder, chunks);
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

/* Load it, and say that its packs of content are there. */
static void load(struct repo *r, uint64_t chunks)
{
    const double before = processor_s();
    int64_t begin = clock_monotonic_ns();
    uint32_t number = 0;
    struct err e;

    DEMAND(repo_load_index(r, &e));
    printf("opened in %.3f s, %.3f s of a processor\n",
           (double)(clock_monotonic_ns() - begin) / 1e9, processor_s() - before);
    DEMAND(index_chunk_count(r->index) > chunks && r->index->segment_count > 0);
    tell_memory("after opening");
    begin = clock_monotonic_ns();
    for (uint64_t i = 0; i < chunks / IN_PACK; i++) {
        const struct hash id = numbered(i);

        DEMAND(index_has_pack(r->index, &id, &number));
        index_set_pack_state(r->index, number, PACK_LIVE);
    }
    printf("packs named and found in %.3f s\n", (double)(clock_monotonic_ns() - begin) / 1e9);
}

static void measure_lookups(struct index *ix, uint64_t chunks)
{
    look_up(ix, chunks, false, "absent, first");
    look_up(ix, chunks, false, "absent, warm");
    tell_memory("after those");
    look_up(ix, chunks, true, "present, first");
    look_up(ix, chunks, true, "present, warm");
    tell_memory("after those");
}

/* Drops what is mapped of segments whenever it is more than some bytes, and from the page cache. */
struct squeeze {
    const struct index *index;
    const char *folder;
    uint64_t most;
    pthread_t thread;
    bool ends; /* atomic */
    int times;
};

static uint64_t mapped_bytes(void)
{
    unsigned long long resident = 0, shared = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    char line[128] = "";
    char *rest = line;

    DEMAND(f != NULL && fgets(line, sizeof(line), f) != NULL && fclose(f) == 0);
    (void)strtoull(rest, &rest, 10);
    resident = strtoull(rest, &rest, 10);
    shared = strtoull(rest, &rest, 10);
    DEMAND(shared <= resident);
    return shared * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void drop(const struct squeeze *s)
{
    for (size_t i = 0; i < s->index->segment_count; i++) {
        struct segment *file = s->index->segments[i].file;
        const uint8_t *base = (const uint8_t *)segment_tables(file)->sources - SEGMENT_HEAD_SIZE;
        AUTO(buf) struct buf path = {0};
        struct stat st;

        buf_printf(&path, "%s/segments/%s", s->folder, segment_name(file));

        const int fd = open(buf_string(&path), O_RDONLY | O_CLOEXEC);

        DEMAND(fd >= 0 && fstat(fd, &st) == 0 &&
               madvise((void *)(uintptr_t)base, (size_t)st.st_size, MADV_DONTNEED) == 0 &&
               posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
        (void)close(fd);
    }
}

static void *squeeze(void *arg)
{
    struct squeeze *s = arg;

    while (!__atomic_load_n(&s->ends, __ATOMIC_RELAXED)) {
        if (mapped_bytes() > s->most) {
            drop(s);
            s->times++;
        }
        (void)usleep(2000);
    }
    return NULL;
}

static bool no_fault(void *arg, enum mark_fault kind, const struct hash *chunk, struct err *why)
{
    (void)arg, (void)kind, (void)chunk, (void)why;
    return false;
}

static void mark(struct repo *r, const char *folder, uint64_t chunks)
{
    AUTO(marks) struct marks *m = marks_new(r);
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf bytes = {0};
    struct hash root;
    struct err e;
    const double before = processor_s();
    const int64_t begin = clock_monotonic_ns();

    root_path(folder, &path);
    DEMAND(file_read(buf_string(&path), HASH_SIZE, &bytes, &e) && bytes.size == HASH_SIZE);
    memcpy(root.bytes, bytes.data, HASH_SIZE);
    DEMAND(marks_add(m, &root, no_fault, NULL, &e));
    printf("%" PRIu64 " chunks marked, %" PRIu64
           " of them trees, in %.1f s, %.1f s of a processor\n",
           marks_count(m), marks_trees(m), (double)(clock_monotonic_ns() - begin) / 1e9,
           processor_s() - before);
    DEMAND(marks_count(m) == chunks + marks_trees(m));
}

/* What of each pack is used, as a prune sums it up once all is marked. */
static void sum_up(const struct index *ix)
{
    AUTO(mem) uint64_t *used = mem_array(index_pack_count(ix), sizeof(*used));
    const int64_t begin = clock_monotonic_ns();
    const double before = processor_s();

    for (size_t i = 0; i < index_entry_room(ix); i++) {
        uint8_t prefix[16];
        struct place at;

        if (index_entry_at(ix, i, prefix, &at))
            used[index_frame_at(ix, at.frame).pack] += at.size;
    }
    printf("summed up for each pack in %.1f s, %.1f s of a processor\n",
           (double)(clock_monotonic_ns() - begin) / 1e9, processor_s() - before);
}

static void measure_mark(struct repo *r, const char *folder, uint64_t chunks, uint64_t most)
{
    struct squeeze s = {.index = r->index, .folder = folder, .most = most};
    const int64_t begin = clock_monotonic_ns();

    if (most > 0)
        DEMAND(pthread_create(&s.thread, NULL, squeeze, &s) == 0);
    DEMAND(index_is_sound(r->index));
    printf("all of it checked in %.1f s\n", (double)(clock_monotonic_ns() - begin) / 1e9);
    mark(r, folder, chunks);
    if (most == 0) {
        sum_up(r->index);
        return;
    }
    __atomic_store_n(&s.ends, true, __ATOMIC_RELAXED);
    DEMAND(pthread_join(s.thread, NULL) == 0);
    printf("dropped from memory %d times\n", s.times);
}

int main(int argc, char **argv)
{
    const uint64_t chunks = argc < 4 ? 0 : strtoull(argv[3], NULL, 10) / IN_PACK * IN_PACK;
    struct store *store;

    if (chunks == 0) {
        fprintf(stderr, "usage: repo_index_bench make|open|mark FOLDER CHUNKS [MIB]\n");
        return 2;
    }
    setbuf(stdout, NULL);
    if (strcmp(argv[1], "make") == 0) {
        make(argv[2], chunks);
        return 0;
    }

    struct repo *r = open_repo(argv[2], &store);

    load(r, chunks);
    if (strcmp(argv[1], "open") == 0)
        measure_lookups(r->index, chunks);
    else
        measure_mark(r, argv[2], chunks, argc < 5 ? 0 : strtoull(argv[4], NULL, 10) << 20);
    tell_memory("in the end");
    repo_close(r);
    store_close(store);
    return 0;
}
