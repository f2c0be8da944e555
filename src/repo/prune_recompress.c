/*
 * Which packs would be shorter if they were compressed more.
 *
 * No frame says how hard it was compressed, so that is tried out: a few frames of each pack are
 * expanded and compressed at the level asked for.  What was packed at that level already comes out
 * as it was, so a second run finds nothing, and so does what does not compress.
 */
#include "base/cancel.h"
#include "base/mem.h"
#include "codec/random.h"
#include "repo/prune.h"

#define TRIED_FRAMES 2

/* So many packs a run, half an hour's reading of a far store at most; which ones is left to
 * chance, so that several runs get to all. */
#define TRIED_PACKS 4096

/* A pack that saves less stays. */
#define GAIN_PERCENT 5

/* One try after the other. */
struct trial {
    struct prune *prune;
    struct reader *reader;
    struct compressor *compressor;
    struct buf packed;
};

static void trial_init(struct trial *t, struct prune *p)
{
    *t = (struct trial){
        .prune = p, .reader = reader_new(p->repo), .compressor = compressor_new(p->options->level)};
}

static void trial_auto(struct trial *t)
{
    reader_free(t->reader);
    compressor_free(t->compressor);
    buf_done(&t->packed);
}

/* Bytes that a plain frame takes at the level asked for. */
static bool try_frame(struct trial *t, uint32_t frame, uint64_t *size, struct err *e)
{
    struct slice plain;

    buf_clear(&t->packed);
    if (!reader_frame(t->reader, frame, &plain, e))
        return err_wrap(e, "see what more compression would save");
    *size = compressor_compress(t->compressor, plain, CONTENT_MIXED, &t->packed) ? t->packed.size
                                                                                 : plain.size;
    return true;
}

/* Numbers of plain frames of a pack, the first so many of which skip are passed over. */
static bool find_plain(const struct index *ix, const struct index_pack *pack, uint32_t skip,
                       uint32_t *frame)
{
    for (uint32_t n = pack->first_frame; n < pack->first_frame + pack->frame_count; n++)
        if (index_frame_at(ix, n).base_count == 0 && skip-- == 0) {
            *frame = n;
            return true;
        }
    return false;
}

/* How many plain frames there are, and their bytes as stored. */
static uint32_t count_plain(const struct index *ix, const struct index_pack *pack, uint64_t *size)
{
    uint32_t count = 0;

    *size = 0;
    for (uint32_t n = pack->first_frame; n < pack->first_frame + pack->frame_count; n++)
        if (index_frame_at(ix, n).base_count == 0) {
            *size += index_frame_at(ix, n).sealed_size;
            count++;
        }
    return count;
}

/* Deltas stay what they are: they are small beside what they are after. */
static bool try_pack(struct trial *t, uint32_t number, uint64_t *gain, struct err *e)
{
    const struct index *ix = t->prune->repo->index;
    const struct index_pack *pack = index_pack_at(ix, number);
    uint64_t stored, before = 0, after = 0;
    const uint32_t count = count_plain(ix, pack, &stored);

    for (uint32_t i = 0; i < TRIED_FRAMES; i++) {
        uint64_t size = 0;
        uint32_t frame;

        if (!find_plain(ix, pack, count * (2 * i + 1) / (2 * TRIED_FRAMES), &frame))
            continue;
        if (!try_frame(t, frame, &size, e))
            return false;
        before += index_frame_at(ix, frame).sealed_size;
        after += size;
    }
    *gain = before <= after ? 0 : stored * (before - after) / before;
    if (*gain * 100 < t->prune->uses[number].size * GAIN_PERCENT)
        *gain = 0;
    return true;
}

bool prune_try_compression(struct prune *p, uint64_t enough, struct err *e)
{
    const size_t most = p->use_count < TRIED_PACKS ? p->use_count : TRIED_PACKS;
    AUTO(trial) struct trial t;
    uint64_t found = 0;
    uint32_t first = 0;

    if (most < p->use_count)
        random_bytes(&first, sizeof(first));
    trial_init(&t, p);
    for (size_t i = 0; i < most && found < enough; i++) {
        const uint32_t number = (uint32_t)((first + i) % p->use_count);
        struct pack_use *use = &p->uses[number];

        if (use->size == 0 || use->fate != FATE_KEEP || use->is_locked)
            continue;
        if (cancel_is_requested())
            return cancel_err(e);
        prune_progress(p, "try", i, most);
        if (!try_pack(&t, number, &use->gain, e))
            return false;
        found += use->gain > 0 ? use->size : 0;
    }
    p->stats.has_untried = most < p->use_count || found >= enough;
    return true;
}
