/*
 * What the steps of a backup take by themselves, on the data that is backed up.  Not a test:
 * script/bench runs it, once for each processor at the same time, and adds up what they say.
 *
 * "primitives FOLDER SCRATCH PART PARTS" takes each PARTS-th piece of the files below FOLDER, does
 * to it what a first backup has to do, one step at a time, undoes that again, and prints a line
 * of JSON: bytes and processor seconds of each step.  SCRATCH is a folder for an unnamed file.
 * "primitives index" prints nanoseconds for each chunk of an index of a million.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/chunker.h"
#include "codec/compress.h"
#include "codec/parity.h"
#include "codec/random.h"
#include "codec/seal.h"
#include "repo/index_rows.h"

#define REGION ((size_t)32 << 20) /* of a long file; with BATCH less than an object may have */
#define BATCH  ((size_t)16 << 20) /* bytes that a step is timed with, or more */
#define FRAME  ((size_t)1 << 20)
#define LONG   ((size_t)128 << 10) /* chunks of long files have as much on average */

enum step {
    LIST,
    READ,
    CUT,
    HASH,
    INDEX,
    COMPRESS,
    SEAL,
    NAME,
    PARITY,
    WRITE,
    OPEN,
    EXPAND,
    STEPS
};
static const char *const step_names[STEPS] = {"list",   "read",     "cut",  "hash",
                                              "index",  "compress", "seal", "name",
                                              "parity", "write",    "open", "expand"};

/* A part of a file, and where its bytes stand in the batch. */
struct stretch {
    char *path;
    uint64_t offset;
    size_t size;
    bool is_whole; /* the file is one chunk */
    size_t at;
};

struct frame {
    struct section section;
    size_t stored_at, stored_size; /* compressed */
    size_t sealed_at;
};

struct work {
    struct stretch *stretches;
    size_t count, room;
    uint64_t bytes[STEPS];
    int64_t ns[STEPS];
    struct buf batch, stored, sealed, parity, plain;
    struct mac_message *chunks; /* of the batch */
    size_t chunk_count, chunk_room;
    struct frame *frames;
    size_t frame_count, frame_room;
    struct cutter *cutter;
    struct mac *mac;
    struct compressor *compressor;
    struct seal_box *box;
    struct index *index;
    uint8_t key[SEAL_KEY_SIZE];
    int scratch;
    uint64_t written;
};

static void must(bool done, const struct err *e)
{
    if (!done) {
        (void)fprintf(stderr, "primitives: %s\n", e->text);
        exit(1);
    }
}

#define MUST(call)               \
    do {                         \
        struct err e_ = {0};     \
        struct err *e = &e_;     \
        const bool ok_ = (call); \
        must(ok_, e);            \
    } while (0)

/* Processor time of this thread. */
static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return clock_from_timespec(t);
}

static void note(struct work *w, enum step step, uint64_t bytes, int64_t began_ns)
{
    w->ns[step] += now_ns() - began_ns;
    w->bytes[step] += bytes;
}

/* Room for one more in an array. */
#define MORE(array, count, room)                                     \
    do {                                                             \
        if ((count) == (room)) {                                     \
            (room) = (room) == 0 ? 256 : (room)*2;                   \
            (array) = mem_resize((array), (room), sizeof(*(array))); \
        }                                                            \
    } while (0)

static void add_file(struct work *w, const char *path, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += REGION) {
        MORE(w->stretches, w->count, w->room);
        w->stretches[w->count++] = (struct stretch){
            .path = mem_string(path),
            .offset = at,
            .size = (size_t)(size - at < REGION ? size - at : REGION),
            .is_whole = size < CUT_WHOLE_MAX,
        };
    }
}

static void list(struct work *w, const char *folder)
{
    DIR *dir = opendir(folder);
    struct err e = {0};

    if (dir == NULL)
        must(err_sys(&e, "list %s", folder), &e);
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        AUTO(buf) struct buf path = {0};
        struct stat s;

        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        buf_printf(&path, "%s/%s", folder, d->d_name);
        if (fstatat(dirfd(dir), d->d_name, &s, AT_SYMLINK_NOFOLLOW) != 0)
            must(err_sys(&e, "look at %s", buf_string(&path)), &e);
        if (S_ISDIR(s.st_mode))
            list(w, buf_string(&path));
        else if (S_ISREG(s.st_mode))
            add_file(w, buf_string(&path), (uint64_t)s.st_size);
    }
    (void)closedir(dir);
}

static void read_stretch(struct work *w, struct stretch *s)
{
    AUTO(fd) int fd = -1;
    size_t got = 0;

    s->at = w->batch.size;
    buf_reserve(&w->batch, s->size);

    const int64_t began = now_ns();

    MUST(file_open(s->path, &fd, e));
    MUST(fd_read_at(fd, s->offset, buf_extend(&w->batch, s->size), s->size, &got, e));
    MUST(fd_close(&fd, s->path, e));
    note(w, READ, got, began);
    if (got != s->size) {
        (void)fprintf(stderr, "primitives: %s changes while it is read\n", s->path);
        exit(1);
    }
}

static void add_chunk(struct work *w, struct slice in)
{
    MORE(w->chunks, w->chunk_count, w->chunk_room);
    w->chunks[w->chunk_count++] = (struct mac_message){.in = in, .type = CHUNK_DATA};
}

static void cut(struct work *w, const struct stretch *stretches, size_t count)
{
    const int64_t began = now_ns();

    w->chunk_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct slice in = SLICE_OF(w->batch.data + stretches[i].at, stretches[i].size);

        while (in.size > 0) {
            size_t scanned = 0;
            const size_t size = stretches[i].is_whole
                                    ? in.size
                                    : cutter_cut(w->cutter, CUT_GENERAL, in, true, &scanned);

            add_chunk(w, SLICE_OF(in.data, size));
            in = SLICE_OF(in.data + size, in.size - size);
        }
    }
    note(w, CUT, w->batch.size, began);
}

static void name_chunks(struct work *w)
{
    const int64_t began = now_ns();

    mac_sum_all(w->mac, w->chunks, w->chunk_count);
    note(w, HASH, w->batch.size, began);

    const int64_t claimed = now_ns();

    for (size_t i = 0; i < w->chunk_count; i++) {
        struct place at;
        const bool found =
            index_find_or_claim(w->index, &w->chunks[i].sum, (uint32_t)w->chunks[i].in.size, &at);
        (void)found; /* a chunk that the data has twice is not left out: each step sees all bytes */
    }
    note(w, INDEX, w->batch.size, claimed);
}

/* Chunks stand in the batch in their order, so a frame is a run of its bytes. */
static void compress(struct work *w)
{
    const int64_t began = now_ns();

    buf_clear(&w->stored);
    w->frame_count = 0;
    for (size_t i = 0; i < w->chunk_count;) {
        const uint8_t *data = w->chunks[i].in.data;
        const size_t first = i;
        size_t size = 0;

        while (i < w->chunk_count && size < FRAME)
            size += w->chunks[i++].in.size;

        const enum content content = size >= (i - first) * LONG ? CONTENT_LONG : CONTENT_MIXED;
        struct frame f = {.section = {.number = w->frame_count,
                                      .kind = SECTION_FRAME,
                                      .compression = COMPRESSION_ZSTD,
                                      .plain_size = (uint32_t)size},
                          .stored_at = w->stored.size};

        if (!compressor_compress(w->compressor, SLICE_OF(data, size), content, &w->stored)) {
            f.section.compression = COMPRESSION_NONE;
            buf_append(&w->stored, data, size);
        }
        f.stored_size = w->stored.size - f.stored_at;
        MORE(w->frames, w->frame_count, w->frame_room);
        w->frames[w->frame_count++] = f;
    }
    note(w, COMPRESS, w->batch.size, began);
}

static const struct seal_identity identity = {
    .class = CLASS_CONTENT, .suite = SUITE_AES_256_GCM, .epoch = 1};

static void seal(struct work *w)
{
    const int64_t began = now_ns();

    buf_clear(&w->sealed);
    seal_begin(w->box, &identity, w->key, buf_extend(&w->sealed, SEAL_HEADER_SIZE));
    for (size_t i = 0; i < w->frame_count; i++) {
        struct frame *f = &w->frames[i];

        f->sealed_at = w->sealed.size;
        seal_section(w->box, &f->section, SLICE_OF(w->stored.data + f->stored_at, f->stored_size),
                     &w->sealed);
    }
    note(w, SEAL, w->sealed.size, began);
}

static void store(struct work *w)
{
    const struct slice object = buf_slice(&w->sealed);
    const struct parity_shape shape = parity_shape_of(&parity_rule_default, object.size);
    struct hash name;
    int64_t began = now_ns();

    sha256(object, &name);
    note(w, NAME, object.size, began);

    buf_clear(&w->parity);
    began = now_ns();
    parity_encode(&shape, object, &name, &w->parity);
    note(w, PARITY, object.size, began);

    began = now_ns();
    MUST(fd_write_at(w->scratch, w->written, object, e));
    w->written += object.size;
    MUST(fd_write_at(w->scratch, w->written, buf_slice(&w->parity), e));
    w->written += w->parity.size;
    note(w, WRITE, object.size + w->parity.size, began);
}

/* Back again; what comes out has to be what went in. */
static void open_again(struct work *w)
{
    int64_t began = now_ns();

    buf_clear(&w->stored);
    MUST(seal_open(w->box, SLICE_OF(w->sealed.data, SEAL_HEADER_SIZE), &identity, w->key, e));
    for (size_t i = 0; i < w->frame_count; i++) {
        const struct frame *f = &w->frames[i];
        const struct slice in =
            SLICE_OF(w->sealed.data + f->sealed_at, f->stored_size + SEAL_TAG_SIZE);

        MUST(unseal_section(w->box, &f->section, in, &w->stored, e));
    }
    note(w, OPEN, w->sealed.size, began);

    buf_clear(&w->plain);
    began = now_ns();
    for (size_t i = 0; i < w->frame_count; i++) {
        const struct frame *f = &w->frames[i];
        const struct slice in = SLICE_OF(w->stored.data + f->stored_at, f->stored_size);

        if (f->section.compression == COMPRESSION_NONE)
            buf_append_slice(&w->plain, in);
        else
            MUST(compressor_expand(w->compressor, SLICE_OF(NULL, 0), in, f->section.plain_size,
                                   &w->plain, e));
    }
    note(w, EXPAND, w->plain.size, began);
    if (!slice_is_equal(buf_slice(&w->plain), buf_slice(&w->batch))) {
        (void)fprintf(stderr, "primitives: what was stored does not come back\n");
        exit(1);
    }
}

static void take_batch(struct work *w, const struct stretch *stretches, size_t count)
{
    if (count == 0)
        return;
    cut(w, stretches, count);
    name_chunks(w);
    compress(w);
    seal(w);
    store(w);
    open_again(w);
    buf_clear(&w->batch);
}

static void begin(struct work *w, const char *scratch)
{
    random_bytes(w->key, sizeof(w->key));
    w->cutter = cutter_new(w->key);
    w->mac = mac_new(w->key);
    w->compressor = compressor_new(1);
    w->box = seal_box_new();
    w->index = index_new();
    MUST(file_unnamed(scratch, &w->scratch, e));
}

static void measure(const char *folder, const char *scratch, size_t part, size_t parts)
{
    struct work w = {0};
    struct stretch *mine;
    size_t count = 0, first = 0;
    const int64_t began = now_ns();

    list(&w, folder);
    w.ns[LIST] = (now_ns() - began) / (int64_t)parts; /* each of them lists all */
    begin(&w, scratch);
    mine = mem_array(w.count, sizeof(*mine));
    for (size_t i = part; i < w.count; i += parts)
        mine[count++] = w.stretches[i];
    for (size_t i = 0; i < count; i++) {
        read_stretch(&w, &mine[i]);
        if (w.batch.size >= BATCH) {
            take_batch(&w, mine + first, i + 1 - first);
            first = i + 1;
        }
    }
    take_batch(&w, mine + first, count - first);
    w.bytes[LIST] = w.bytes[READ];

    (void)printf("{");
    for (size_t i = 0; i < STEPS; i++)
        (void)printf("%s\"%s\": [%llu, %.6f]", i == 0 ? "" : ", ", step_names[i],
                     (unsigned long long)w.bytes[i], (double)w.ns[i] / 1e9);
    (void)printf("}\n");
}

#define INDEX_PACKS  200
#define INDEX_CHUNKS 5000 /* of each pack */

static void measure_index(void)
{
    AUTO(index) struct index *ix = index_new();
    struct hash *ids = mem_array((size_t)INDEX_PACKS * INDEX_CHUNKS, sizeof(*ids));
    const size_t chunks = (size_t)INDEX_PACKS * INDEX_CHUNKS;
    int64_t adding = 0, began;

    for (uint64_t p = 0; p < INDEX_PACKS; p++) {
        AUTO(buf) struct buf directory = {0};
        const struct hash id = id_of(UINT64_C(1) << 40 | p);
        uint32_t number;

        directory_of(p * INDEX_CHUNKS, INDEX_CHUNKS, &directory);
        began = now_ns();
        MUST(index_add_pack(ix, &id, CLASS_CONTENT, PACK_LIVE, buf_slice(&directory), &number, e));
        adding += now_ns() - began;
    }
    for (size_t i = 0; i < chunks; i++) /* in another order: 7919 divides no power of 2 or 5 */
        ids[i] = id_of((uint64_t)i * 7919 % chunks);
    began = now_ns();
    for (size_t i = 0; i < chunks; i++) {
        struct place at;

        if (!index_find(ix, &ids[i], &at)) {
            (void)fprintf(stderr, "primitives: the index lost a chunk\n");
            exit(1);
        }
    }
    (void)printf("{\"add\": %.1f, \"find\": %.1f}\n", (double)adding / (double)chunks,
                 (double)(now_ns() - began) / (double)chunks);
    mem_free(ids);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "index") == 0) {
        measure_index();
        return 0;
    }

    const size_t part = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    const size_t parts = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;

    if (part >= parts) {
        (void)fprintf(stderr, "usage: primitives FOLDER SCRATCH PART PARTS | index\n");
        return 2;
    }
    measure(argv[1], argv[2], part, parts);
    return 0;
}
