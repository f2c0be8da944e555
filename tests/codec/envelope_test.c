#include "codec/envelope.h"

#include <string.h>

#include "codec/random.h"
#include "support/test.h"

enum { COUNT = 3 };

/* Three recipients and their secrets. */
struct people {
    struct envelope_recipient all[COUNT];
    uint8_t secrets[COUNT][ENVELOPE_KEY_SIZE];
};

static void people_make(struct people *p)
{
    for (size_t i = 0; i < COUNT; i++) {
        memset(p->all[i].id, (int)i + 1, ENVELOPE_ID_SIZE);
        random_bytes(p->secrets[i], ENVELOPE_KEY_SIZE);
        envelope_public_key(p->secrets[i], p->all[i].key);
    }
}

TEST(each_recipient_opens_an_envelope_and_nobody_else)
{
    AUTO(buf) struct buf sealed = {0};
    struct people p;

    people_make(&p);
    envelope_seal(p.all, 2, slice_string("a bundle"), &sealed);
    ck_assert_uint_eq(sealed.size, envelope_size(8, 2));
    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf out = {0};

        CHECK_OK(envelope_open(buf_slice(&sealed), p.all[i].id, p.secrets[i], &out, e));
        ck_assert_str_eq(buf_string(&out), "a bundle");
    }

    AUTO(buf) struct buf out = {0};

    CHECK_ERR(envelope_open(buf_slice(&sealed), p.all[2].id, p.secrets[2], &out, e), ERR_NOT_FOUND);
    CHECK_ERR(envelope_open(buf_slice(&sealed), p.all[0].id, p.secrets[1], &out, e), ERR_CORRUPT);
}
END

TEST(two_envelopes_of_the_same_bytes_have_nothing_in_common)
{
    AUTO(buf) struct buf a = {0};
    AUTO(buf) struct buf b = {0};
    struct people p;

    people_make(&p);
    envelope_seal(p.all, 1, slice_string("0123456789abcdef"), &a);
    envelope_seal(p.all, 1, slice_string("0123456789abcdef"), &b);
    CHECK(memcmp(a.data + a.size - 32, b.data + b.size - 32, 32) != 0);
    CHECK(memmem(a.data, a.size, "0123456789", 10) == NULL);
}
END

TEST(every_damage_of_an_envelope_is_found)
{
    AUTO(buf) struct buf sealed = {0};
    struct people p;

    people_make(&p);
    envelope_seal(p.all, 2, slice_string("a bundle"), &sealed);
    for (size_t bit = 0; bit < 8 * sealed.size; bit++) {
        AUTO(buf) struct buf out = {0};
        struct err e = {0};

        sealed.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(!envelope_open(buf_slice(&sealed), p.all[0].id, p.secrets[0], &out, &e));
        CHECK(e.code == ERR_CORRUPT || e.code == ERR_NOT_FOUND);
        ck_assert_uint_eq(out.size, 0);
        sealed.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t size = 0; size < sealed.size; size++) {
        AUTO(buf) struct buf out = {0};

        CHECK_ERR(envelope_open(SLICE_OF(sealed.data, size), p.all[0].id, p.secrets[0], &out, e),
                  ERR_CORRUPT);
    }
}
END

TEST(a_key_of_small_order_is_refused)
{
    const struct envelope_recipient zero = {{0}, {0}};
    const struct envelope_recipient one = {{0}, {1}};
    struct people p;

    people_make(&p);
    CHECK_ERR(envelope_check(&zero, e), ERR_USAGE);
    CHECK_ERR(envelope_check(&one, e), ERR_USAGE);
    CHECK_OK(envelope_check(&p.all[0], e));
}
END

TESTS("envelope", each_recipient_opens_an_envelope_and_nobody_else,
      two_envelopes_of_the_same_bytes_have_nothing_in_common, every_damage_of_an_envelope_is_found,
      a_key_of_small_order_is_refused)
