#include "support/test.h"

#include <string.h>

#include "codec/chunker.h"
#include "codec/noise.h"

enum {
    MIB = 1 << 20,
    CUTS_MAX = 1000,
};

struct cuts {
    size_t ends[CUTS_MAX]; /* counted from the beginning of the stream, ascending */
    size_t count;
};

static struct cutter *cutter_of(uint8_t first)
{
    uint8_t key[32];

    for (uint8_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(first + i);
    return cutter_new(key);
}

static void cuts_add(struct cuts *c, size_t end)
{
    CHECK(c->count < CUTS_MAX);
    c->ends[c->count++] = end;
}

/* Cut a stream of which all bytes are there. */
static struct cuts cut_at_once(const struct cutter *c, enum cut_kind kind, struct slice in)
{
    struct cuts cuts = {0};

    for (size_t from = 0; from < in.size;) {
        size_t scanned = 0;
        const size_t n =
            cutter_cut(c, kind, SLICE_OF(in.data + from, in.size - from), true, &scanned);

        CHECK(n > 0 && n <= in.size - from);
        from += n;
        cuts_add(&cuts, from);
    }
    return cuts;
}

/* Cut a stream of which 1 to most bytes arrive at a time. */
static struct cuts cut_in_steps(const struct cutter *c, enum cut_kind kind, struct slice in,
                                size_t most)
{
    struct cuts cuts = {0};
    uint64_t random = 1;
    size_t from = 0;
    size_t scanned = 0;

    for (size_t seen = 0; from < in.size;) {
        if (seen < in.size)
            seen += 1 + (noise_next(&random) >> 20) % most;
        if (seen > in.size)
            seen = in.size;

        const size_t n =
            cutter_cut(c, kind, SLICE_OF(in.data + from, seen - from), seen == in.size, &scanned);

        if (n == 0)
            continue;
        from += n;
        scanned = 0;
        cuts_add(&cuts, from);
    }
    return cuts;
}

static bool cuts_are_equal(const struct cuts *a, const struct cuts *b)
{
    return a->count == b->count && memcmp(a->ends, b->ends, a->count * sizeof(a->ends[0])) == 0;
}

static size_t cuts_length(const struct cuts *c, size_t i)
{
    return c->ends[i] - (i > 0 ? c->ends[i - 1] : 0);
}

static size_t cuts_shared(const struct cuts *a, const struct cuts *b)
{
    size_t shared = 0;

    for (size_t i = 0, j = 0; i < a->count && j < b->count;) {
        shared += a->ends[i] == b->ends[j];
        if (a->ends[i] <= b->ends[j])
            i++;
        else
            j++;
    }
    return shared;
}

static void check_lengths(const struct cuts *found, const size_t *lengths, size_t count)
{
    ck_assert_uint_eq(found->count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(cuts_length(found, i), lengths[i]);
}

/* Without newlines in its second MiB. */
static void append_long_line(struct buf *out)
{
    noise_append(out, 3 * MIB, NOISE_SEED);
    for (size_t i = MIB; i < 2 * MIB; i++)
        if (out->data[i] == '\n')
            out->data[i] = ' ';
}

/* The lengths come from a program of its own, written in Python from docs/FORMAT.md, for the
 * chunk key 0..31 and 3 MiB of the noise with its first seed. */
TEST(cuts_are_those_of_another_implementation)
{
    static const size_t general[] = {436484, 442557, 268105, 1266887, 503735, 227960};
    static const size_t lines[] = {295430, 360989, 388999, 273928, 508345,
                                   430237, 285108, 490263, 112429};
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf in = {0};
    AUTO(buf) struct buf text = {0};

    noise_append(&in, 3 * MIB, NOISE_SEED);
    append_long_line(&text);

    const struct cuts g = cut_at_once(c, CUT_GENERAL, buf_slice(&in));
    const struct cuts l = cut_at_once(c, CUT_LINES, buf_slice(&text));

    check_lengths(&g, general, sizeof(general) / sizeof(general[0]));
    check_lengths(&l, lines, sizeof(lines) / sizeof(lines[0]));
}

TEST(cuts_do_not_depend_on_how_the_stream_arrives)
{
    static const size_t steps[] = {1, 100, 5000, 100000, 3 * MIB};
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf in = {0};

    noise_append(&in, 3 * MIB, NOISE_SEED);
    for (enum cut_kind kind = CUT_WHOLE; kind <= CUT_LINES; kind++) {
        const struct cuts at_once = cut_at_once(c, kind, buf_slice(&in));

        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            const struct cuts stepwise = cut_in_steps(c, kind, buf_slice(&in), steps[i]);

            CHECK(cuts_are_equal(&at_once, &stepwise));
        }
    }
}

/* Newlines near, at and beyond the length up to which lines count as such. */
static void append_lines_about(struct buf *out, size_t size, size_t length)
{
    uint64_t random = length;

    while (out->size < size) {
        const size_t n = length - 3 + (noise_next(&random) >> 20) % 7;

        for (size_t i = 1; i < n; i++)
            buf_put_u8(out, (uint8_t)('a' + (noise_next(&random) >> 32) % 26));
        buf_put_u8(out, '\n');
    }
}

TEST(lines_of_any_length_are_cut_the_same_however_they_arrive)
{
    static const size_t lengths[] = {4, 97, 512, 4096, 8192, 3 * MIB};
    AUTO(cutter) struct cutter *c = cutter_of(0);

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        AUTO(buf) struct buf in = {0};

        append_lines_about(&in, 4 * MIB, lengths[i]);

        const struct cuts at_once = cut_at_once(c, CUT_LINES, buf_slice(&in));
        const struct cuts stepwise = cut_in_steps(c, CUT_LINES, buf_slice(&in), 1);

        CHECK(at_once.count > 2);
        CHECK(cuts_are_equal(&at_once, &stepwise));
    }
}

TEST(chunks_of_lines_have_the_nominal_length_however_long_lines_are)
{
    static const size_t lengths[] = {20, 97, 500, 513, 4000, 4096, 4100, 100000};
    AUTO(cutter) struct cutter *c = cutter_of(0);

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        AUTO(buf) struct buf in = {0};

        append_lines_about(&in, 64 * MIB, lengths[i]);

        const struct cuts cuts = cut_at_once(c, CUT_LINES, buf_slice(&in));

        /* 512 KiB: 128 chunks, give or take some. */
        CHECK(cuts.count > 95 && cuts.count < 165);
    }
}

static void check_bounds(enum cut_kind kind, struct slice in, size_t min, size_t max)
{
    AUTO(cutter) struct cutter *c = cutter_of(3);
    const struct cuts cuts = cut_at_once(c, kind, in);

    for (size_t i = 0; i < cuts.count; i++) {
        CHECK(cuts_length(&cuts, i) <= max);
        CHECK(cuts_length(&cuts, i) >= min || i == cuts.count - 1);
    }
}

TEST(no_chunk_is_shorter_than_min_or_longer_than_max)
{
    AUTO(buf) struct buf noise = {0};
    AUTO(buf) struct buf zeros = {0};

    noise_append(&noise, 20 * MIB, NOISE_SEED);
    memset(buf_extend(&zeros, 20 * MIB), 0, 20 * MIB);
    check_bounds(CUT_GENERAL, buf_slice(&noise), 256 << 10, 4 * MIB);
    check_bounds(CUT_GENERAL, buf_slice(&zeros), 256 << 10, 4 * MIB);
    check_bounds(CUT_LINES, buf_slice(&noise), 256 << 10, 4 * MIB);
    check_bounds(CUT_LINES, buf_slice(&zeros), 256 << 10, 4 * MIB);
    check_bounds(CUT_PAGES, buf_slice(&noise), MIB, MIB);
    check_bounds(CUT_WHOLE, buf_slice(&noise), CHUNK_MAX, CHUNK_MAX);
}

TEST(the_average_length_on_noise_is_near_the_nominal_one)
{
    AUTO(cutter) struct cutter *c = cutter_of(3);
    AUTO(buf) struct buf in = {0};

    noise_append(&in, 64 * MIB, NOISE_SEED);

    const struct cuts general = cut_at_once(c, CUT_GENERAL, buf_slice(&in));
    const struct cuts lines = cut_at_once(c, CUT_LINES, buf_slice(&in));

    /* 512 KiB: about 128 chunks, which spread by some ten percent. */
    CHECK(general.count > 100 && general.count < 160);
    CHECK(lines.count > 100 && lines.count < 160);
}

TEST(one_changed_byte_changes_few_cuts)
{
    AUTO(cutter) struct cutter *c = cutter_of(3);
    AUTO(buf) struct buf in = {0};

    noise_append(&in, 16 * MIB, NOISE_SEED);

    const struct cuts before = cut_at_once(c, CUT_GENERAL, buf_slice(&in));

    for (size_t at = 1; at < in.size; at += 1234567) {
        in.data[at] ^= 1;
        const struct cuts after = cut_at_once(c, CUT_GENERAL, buf_slice(&in));
        in.data[at] ^= 1;
        CHECK(cuts_shared(&before, &after) + 4 >= before.count);
    }
}

TEST(an_inserted_byte_moves_the_cuts_behind_it_along)
{
    AUTO(cutter) struct cutter *c = cutter_of(3);
    AUTO(buf) struct buf in = {0};
    AUTO(buf) struct buf longer = {0};

    noise_append(&in, 16 * MIB, NOISE_SEED);
    buf_put_u8(&longer, 'x');
    buf_append_slice(&longer, buf_slice(&in));

    struct cuts before = cut_at_once(c, CUT_GENERAL, buf_slice(&in));
    const struct cuts after = cut_at_once(c, CUT_GENERAL, buf_slice(&longer));

    for (size_t i = 0; i < before.count; i++)
        before.ends[i]++;
    CHECK(cuts_shared(&before, &after) + 4 >= before.count);
}

TEST(different_keys_cut_differently)
{
    AUTO(cutter) struct cutter *one = cutter_of(0);
    AUTO(cutter) struct cutter *two = cutter_of(1);
    AUTO(buf) struct buf in = {0};

    noise_append(&in, 16 * MIB, NOISE_SEED);

    const struct cuts a = cut_at_once(one, CUT_GENERAL, buf_slice(&in));
    const struct cuts b = cut_at_once(two, CUT_GENERAL, buf_slice(&in));

    CHECK(cuts_shared(&a, &b) <= 2); /* the end of the stream, and one by chance */
}

TEST(lines_end_at_newlines_when_these_are_frequent)
{
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf in = {0};
    uint64_t random = 7;

    while (in.size < 16 * MIB)
        buf_printf(&in, "%llu\trow of a table\t%llu\n", (unsigned long long)noise_next(&random),
                   (unsigned long long)noise_next(&random));

    const struct cuts cuts = cut_at_once(c, CUT_LINES, buf_slice(&in));

    CHECK(cuts.count > 16);
    for (size_t i = 0; i < cuts.count; i++)
        CHECK(in.data[cuts.ends[i] - 1] == '\n' || cuts_length(&cuts, i) == 4 * MIB);
}

/* Rows are taken out and put in, as a table's are between two backups. */
TEST(rows_that_come_and_go_leave_the_cuts_of_others)
{
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf in = {0};
    AUTO(buf) struct buf later = {0};
    size_t kept = 0;

    append_lines_about(&in, 16 * MIB, 97);
    buf_printf(&later, "a new row\n");
    buf_append(&later, in.data, 8 * MIB);
    while (in.data[8 * MIB + kept] != '\n')
        kept++;
    buf_append(&later, in.data + 8 * MIB + kept, in.size - 8 * MIB - kept);

    struct cuts before = cut_at_once(c, CUT_LINES, buf_slice(&in));
    const struct cuts after = cut_at_once(c, CUT_LINES, buf_slice(&later));

    for (size_t i = 0; i < before.count; i++)
        before.ends[i] += 10 - (before.ends[i] > 8 * MIB ? kept : 0);
    CHECK(cuts_shared(&before, &after) + 8 >= before.count);
}

TEST(the_ends_of_streams_are_chunks_and_nothing_is_none)
{
    AUTO(cutter) struct cutter *c = cutter_of(0);
    const uint8_t bytes[100] = {0};

    for (enum cut_kind kind = CUT_WHOLE; kind <= CUT_LINES; kind++) {
        size_t scanned = 0;

        ck_assert_uint_eq(cutter_cut(c, kind, (struct slice){0}, true, &scanned), 0);
        ck_assert_uint_eq(cutter_cut(c, kind, SLICE_OF(bytes, 100), false, &scanned), 0);
        ck_assert_uint_eq(cutter_cut(c, kind, SLICE_OF(bytes, 100), true, &scanned), 100);
    }
}

TEST(chunk_max_bytes_always_yield_a_cut)
{
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf zeros = {0};

    memset(buf_extend(&zeros, CHUNK_MAX), 0, CHUNK_MAX);
    for (enum cut_kind kind = CUT_WHOLE; kind <= CUT_LINES; kind++) {
        size_t scanned = 0;

        CHECK(cutter_cut(c, kind, buf_slice(&zeros), false, &scanned) > 0);
    }
}

/* Every byte of in that a chunk from its beginning may end behind. */
static size_t count_ends(const struct cutter *c, enum cut_kind kind, struct slice in)
{
    size_t count = 0;

    for (size_t size = 1; size <= in.size; size++)
        count += cutter_may_end(c, kind, SLICE_OF(in.data, size));
    return count;
}

TEST(a_chunk_may_end_where_it_is_cut_and_hardly_elsewhere)
{
    static const enum cut_kind kinds[] = {CUT_GENERAL, CUT_LINES};
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf text = {0};

    append_long_line(&text);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct cuts cuts = cut_at_once(c, kinds[i], buf_slice(&text));

        for (size_t k = 0, from = 0; k + 1 < cuts.count; from = cuts.ends[k++])
            CHECK(cutter_may_end(c, kinds[i], SLICE_OF(text.data + from, cuts.ends[k] - from)));
        ck_assert_uint_eq(count_ends(c, kinds[i], SLICE_OF(text.data, cuts.ends[0])), 1);
    }
}

TEST(what_ends_by_its_length_or_with_the_stream_may_not_end_there)
{
    AUTO(cutter) struct cutter *c = cutter_of(0);
    AUTO(buf) struct buf zeros = {0};

    memset(buf_extend(&zeros, CHUNK_MAX), 0, CHUNK_MAX);
    CHECK(!cutter_may_end(c, CUT_GENERAL, buf_slice(&zeros)));
    CHECK(!cutter_may_end(c, CUT_LINES, buf_slice(&zeros)));
    CHECK(!cutter_may_end(c, CUT_PAGES, SLICE_OF(zeros.data, MIB)));
    CHECK(!cutter_may_end(c, CUT_WHOLE, buf_slice(&zeros)));
    CHECK(!cutter_may_end(c, CUT_GENERAL, SLICE_OF(zeros.data, 1)));
}

TESTS("chunker", cuts_are_those_of_another_implementation,
      cuts_do_not_depend_on_how_the_stream_arrives,
      lines_of_any_length_are_cut_the_same_however_they_arrive,
      chunks_of_lines_have_the_nominal_length_however_long_lines_are,
      no_chunk_is_shorter_than_min_or_longer_than_max,
      the_average_length_on_noise_is_near_the_nominal_one, one_changed_byte_changes_few_cuts,
      an_inserted_byte_moves_the_cuts_behind_it_along, different_keys_cut_differently,
      lines_end_at_newlines_when_these_are_frequent, rows_that_come_and_go_leave_the_cuts_of_others,
      the_ends_of_streams_are_chunks_and_nothing_is_none,
      a_chunk_may_end_where_it_is_cut_and_hardly_elsewhere,
      what_ends_by_its_length_or_with_the_stream_may_not_end_there,
      chunk_max_bytes_always_yield_a_cut)
