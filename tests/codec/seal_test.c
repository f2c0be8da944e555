#include "support/test.h"

#include <signal.h>
#include <string.h>

#include "base/text.h"
#include "codec/noise.h"
#include "codec/seal.h"

static const uint8_t class_key[SEAL_KEY_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
static const char golden_plain[] = "the quick brown fox";

static struct seal_identity identity(enum object_class class, enum seal_suite suite)
{
    struct seal_identity id = {.class = class, .suite = suite, .epoch = 7};

    for (uint8_t i = 0; i < SEAL_ID_SIZE; i++) {
        id.repository[i] = (uint8_t)(0x10 + i);
        id.writer[i] = (uint8_t)(0x20 + i);
    }
    return id;
}

static struct section section(uint64_t number, uint32_t plain_size)
{
    return (struct section){.number = number,
                            .kind = SECTION_FRAME,
                            .compression = COMPRESSION_NONE,
                            .plain_size = plain_size};
}

/* A header and one sealed section of it. */
struct object {
    uint8_t header[SEAL_HEADER_SIZE];
    struct section section;
    struct buf sealed;
};

static void object_seal(struct object *o, const struct seal_identity *id)
{
    AUTO(seal_box) struct seal_box *b = seal_box_new();

    *o = (struct object){.section = section(3, sizeof(golden_plain) - 1)};
    seal_begin(b, id, class_key, o->header);
    seal_section(b, &o->section, slice_string(golden_plain), &o->sealed);
}

static void object_auto(struct object *o)
{
    buf_done(&o->sealed);
}

/* Open the object as what id says and append its section. */
static bool object_unseal(const struct object *o, const struct seal_identity *id, struct buf *out,
                          struct err *e)
{
    AUTO(seal_box) struct seal_box *b = seal_box_new();

    return seal_open(b, SLICE_OF(o->header, SEAL_HEADER_SIZE), id, class_key, e) &&
           unseal_section(b, &o->section, buf_slice(&o->sealed), out, e);
}

/*
 * The golden objects come from another implementation, python3-cryptography, with class key =
 * bytes 0..31, repository = 10..1f, writer = 20..2f, salt = 30..4f (hex), epoch 7:
 *
 *     okm = HKDF(SHA256(), 64, salt, info).derive(class_key)
 *     header = b"HOLDFAST" + bytes([1, cls, suite, 0]) + pack("<I", 7) + repository + writer
 *              + salt + okm[32:] + bytes(16)
 *     ad = sha256(header).digest() + pack("<QBBI", 3, 1, 0, 19)
 *     AESGCM(okm[:32]).encrypt(bytes(4) + pack("<Q", 3), b"the quick brown fox", ad)
 */
static void check_golden(struct seal_identity id, const char *header, const char *sealed)
{
    AUTO(object) struct object o = {.section = section(3, 19)};
    AUTO(buf) struct buf plain = {0};

    CHECK(hex_decode(header, o.header, SEAL_HEADER_SIZE));
    CHECK(hex_decode(sealed, buf_extend(&o.sealed, 35), 35));
    CHECK_OK(object_unseal(&o, &id, &plain, e));
    CHECK(slice_is_equal(buf_slice(&plain), slice_string(golden_plain)));
}

TEST(an_object_of_another_implementation_opens_with_aes)
{
    check_golden(identity(CLASS_CONTENT, SUITE_AES_256_GCM),
                 "484f4c44464153540102010007000000101112131415161718191a1b1c1d1e1f"
                 "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
                 "404142434445464748494a4b4c4d4e4fee441c4a71010f183bdb4277b92faddc"
                 "f4024a4cc245e88f6764bd00d0d6aeab00000000000000000000000000000000",
                 "bff61ad80ce84a163692b797187eddc5d3dbe313eeab2ad6c4c3348f249df466471bfd");
}

TEST(an_object_of_another_implementation_opens_with_chacha)
{
    check_golden(identity(CLASS_SNAPSHOT, SUITE_CHACHA20_POLY1305),
                 "484f4c44464153540105020007000000101112131415161718191a1b1c1d1e1f"
                 "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
                 "404142434445464748494a4b4c4d4e4fa02ceb6f016a5d5686a34ceb15f41f59"
                 "6276a9696dd139eabd389756f62c4bd000000000000000000000000000000000",
                 "feb4c213c2a6de4f49fa2cfefdcfd0d108bee7f20308dc6ce6651a9d37996fe9484e01");
}

TEST(what_is_sealed_is_unsealed_for_every_class_and_suite)
{
    for (enum object_class class = CLASS_CONFIG; class <= CLASS_PARITY; class ++)
        for (enum seal_suite suite = SUITE_AES_256_GCM; suite <= SUITE_CHACHA20_POLY1305; suite++) {
            const struct seal_identity id = identity(class, suite);
            AUTO(object) struct object o = {0};
            AUTO(buf) struct buf plain = {0};

            object_seal(&o, &id);
            ck_assert_uint_eq(o.sealed.size, sizeof(golden_plain) - 1 + SEAL_TAG_SIZE);
            CHECK_OK(object_unseal(&o, &id, &plain, e));
            CHECK(slice_is_equal(buf_slice(&plain), slice_string(golden_plain)));
        }
}

TEST(one_box_does_for_many_objects_of_changing_suites_what_new_ones_do)
{
    AUTO(seal_box) struct seal_box *b = seal_box_new();

    for (unsigned i = 0; i < 40; i++) {
        const struct seal_identity id =
            identity(CLASS_INDEX, i % 3 == 0 ? SUITE_CHACHA20_POLY1305 : SUITE_AES_256_GCM);
        const size_t size = i * 1000;
        AUTO(buf) struct buf plain = {0};
        AUTO(buf) struct buf sealed = {0};
        AUTO(buf) struct buf opened = {0};
        uint8_t header[SEAL_HEADER_SIZE];
        const struct section s = section(i, (uint32_t)size);

        noise_append(&plain, size, NOISE_SEED + i);
        seal_begin(b, &id, class_key, header);
        seal_section(b, &s, buf_slice(&plain), &sealed);
        for (unsigned round = 0; round < 2; round++) {
            AUTO(seal_box) struct seal_box *fresh = seal_box_new();
            struct seal_box *reader = round == 0 ? b : fresh;

            buf_clear(&opened);
            CHECK_OK(seal_open(reader, SLICE_OF(header, SEAL_HEADER_SIZE), &id, class_key, e));
            CHECK_OK(unseal_section(reader, &s, buf_slice(&sealed), &opened, e));
            CHECK(slice_is_equal(buf_slice(&plain), buf_slice(&opened)));
        }
    }
}

TEST(two_objects_of_the_same_bytes_differ_in_salt_and_ciphertext)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(object) struct object a = {0};
    AUTO(object) struct object b = {0};

    object_seal(&a, &id);
    object_seal(&b, &id);
    CHECK(memcmp(a.header + 48, b.header + 48, 32) != 0);
    CHECK(!slice_is_equal(buf_slice(&a.sealed), buf_slice(&b.sealed)));
}

TEST(every_flipped_bit_of_a_section_is_noticed)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(object) struct object o = {0};
    AUTO(buf) struct buf plain = {0};

    object_seal(&o, &id);
    buf_append(&plain, "before", 6);
    for (size_t bit = 0; bit < o.sealed.size * 8; bit++) {
        o.sealed.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        CHECK_ERR(object_unseal(&o, &id, &plain, e), ERR_CORRUPT);
        ck_assert_uint_eq(plain.size, 6);
        o.sealed.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    CHECK_OK(object_unseal(&o, &id, &plain, e));
    ck_assert_uint_eq(plain.size, 6 + sizeof(golden_plain) - 1);
}

TEST(every_truncation_of_a_section_is_noticed)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_CHACHA20_POLY1305);
    AUTO(object) struct object o = {0};
    AUTO(buf) struct buf plain = {0};

    object_seal(&o, &id);
    while (o.sealed.size > 0) {
        o.sealed.size--;
        CHECK_ERR(object_unseal(&o, &id, &plain, e), ERR_CORRUPT);
    }
    ck_assert_uint_eq(plain.size, 0);
}

/* A version above the known one is a newer format, not damage. */
TEST(every_flipped_bit_of_a_header_is_noticed_before_any_section)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(seal_box) struct seal_box *b = seal_box_new();
    uint8_t bytes[SEAL_HEADER_SIZE];
    const struct slice header = SLICE_OF(bytes, sizeof(bytes));

    seal_begin(b, &id, class_key, bytes);
    for (size_t bit = 0; bit < SEAL_HEADER_SIZE * 8; bit++) {
        const bool is_newer = bit / 8 == 8 && bit % 8 != 0;

        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        CHECK_ERR(seal_open(b, header, &id, class_key, e), is_newer ? ERR_USAGE : ERR_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    CHECK_OK(seal_open(b, header, &id, class_key, e));
}

TEST(a_header_opens_with_its_own_class_key_only)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(object) struct object o = {0};
    AUTO(seal_box) struct seal_box *b = seal_box_new();
    uint8_t other[SEAL_KEY_SIZE];

    object_seal(&o, &id);
    memcpy(other, class_key, sizeof(other));
    other[31] ^= 1;
    CHECK_ERR(seal_open(b, SLICE_OF(o.header, SEAL_HEADER_SIZE), &id, other, e), ERR_CORRUPT);
}

TEST(a_header_cut_short_is_refused)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(object) struct object o = {0};
    AUTO(seal_box) struct seal_box *b = seal_box_new();
    struct seal_identity found;
    uint8_t version;

    object_seal(&o, &id);
    for (size_t n = 0; n < SEAL_HEADER_SIZE; n++) {
        CHECK_ERR(seal_open(b, SLICE_OF(o.header, n), &id, class_key, e), ERR_CORRUPT);
        CHECK(!seal_peek(SLICE_OF(o.header, n), &found, &version));
    }
}

TEST(an_object_does_not_open_as_another_identity)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    struct seal_identity wrong[] = {id, id, id, id};
    AUTO(object) struct object o = {0};
    AUTO(buf) struct buf plain = {0};

    object_seal(&o, &id);
    wrong[0].class = CLASS_TREE;
    wrong[1].suite = SUITE_CHACHA20_POLY1305;
    wrong[2].epoch = 8;
    wrong[3].repository[15] ^= 1;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_ERR(object_unseal(&o, &wrong[i], &plain, e), ERR_CORRUPT);
}

TEST(an_object_of_any_writer_opens)
{
    const struct seal_identity id = identity(CLASS_COMMIT, SUITE_AES_256_GCM);
    struct seal_identity expected = id;
    AUTO(object) struct object o = {0};
    AUTO(buf) struct buf plain = {0};

    object_seal(&o, &id);
    memset(expected.writer, 0, SEAL_ID_SIZE);
    CHECK_OK(object_unseal(&o, &expected, &plain, e));
}

TEST(a_section_does_not_open_with_another_description)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(object) struct object o = {0};
    AUTO(buf) struct buf plain = {0};

    object_seal(&o, &id);

    const struct section right = o.section;
    struct section wrong[] = {right, right, right, right};

    wrong[0].number = 4;
    wrong[1].kind = SECTION_DIRECTORY;
    wrong[2].compression = COMPRESSION_ZSTD;
    wrong[3].plain_size++;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        o.section = wrong[i];
        CHECK_ERR(object_unseal(&o, &id, &plain, e), ERR_CORRUPT);
    }
}

TEST(sections_do_not_open_in_each_others_place_or_object)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(seal_box) struct seal_box *b = seal_box_new();
    const struct section first = section(0, 5);
    const struct section second = section(1, 5);
    AUTO(buf) struct buf one = {0};
    AUTO(buf) struct buf two = {0};
    AUTO(buf) struct buf plain = {0};
    uint8_t header[SEAL_HEADER_SIZE];
    uint8_t other[SEAL_HEADER_SIZE];

    seal_begin(b, &id, class_key, header);
    seal_section(b, &first, slice_string("first"), &one);
    seal_section(b, &second, slice_string("secnd"), &two);
    seal_begin(b, &id, class_key, other);
    CHECK_OK(seal_open(b, SLICE_OF(header, SEAL_HEADER_SIZE), &id, class_key, e));
    CHECK_ERR(unseal_section(b, &first, buf_slice(&two), &plain, e), ERR_CORRUPT);
    CHECK_ERR(unseal_section(b, &second, buf_slice(&one), &plain, e), ERR_CORRUPT);
    CHECK_OK(unseal_section(b, &second, buf_slice(&two), &plain, e)); /* in any order */
    CHECK_OK(unseal_section(b, &first, buf_slice(&one), &plain, e));
    CHECK_OK(seal_open(b, SLICE_OF(other, SEAL_HEADER_SIZE), &id, class_key, e));
    CHECK_ERR(unseal_section(b, &first, buf_slice(&one), &plain, e), ERR_CORRUPT);
}

TEST(seal_peek_tells_the_fields_of_a_header)
{
    const struct seal_identity id = identity(CLASS_CONDEMNED, SUITE_CHACHA20_POLY1305);
    AUTO(object) struct object o = {0};
    struct seal_identity found;
    uint8_t version = 0;

    object_seal(&o, &id);
    CHECK(seal_peek(SLICE_OF(o.header, SEAL_HEADER_SIZE), &found, &version));
    ck_assert_uint_eq(version, 1);
    CHECK(found.class == id.class && found.suite == id.suite && found.epoch == id.epoch);
    CHECK(memcmp(found.repository, id.repository, SEAL_ID_SIZE) == 0);
    CHECK(memcmp(found.writer, id.writer, SEAL_ID_SIZE) == 0);
    o.header[0] ^= 1;
    CHECK(!seal_peek(SLICE_OF(o.header, SEAL_HEADER_SIZE), &found, &version));
}

TEST(sealing_a_number_twice_ends_the_process)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(seal_box) struct seal_box *b = seal_box_new();
    const struct section s = section(1, 1);
    AUTO(buf) struct buf out = {0};
    uint8_t header[SEAL_HEADER_SIZE];

    seal_begin(b, &id, class_key, header);
    seal_section(b, &s, slice_string("a"), &out);
    seal_section(b, &s, slice_string("b"), &out);
}

TEST(an_opened_box_does_not_seal)
{
    const struct seal_identity id = identity(CLASS_CONTENT, SUITE_AES_256_GCM);
    AUTO(object) struct object o = {0};
    AUTO(seal_box) struct seal_box *b = seal_box_new();

    object_seal(&o, &id);
    CHECK_OK(seal_open(b, SLICE_OF(o.header, SEAL_HEADER_SIZE), &id, class_key, e));
    seal_section(b, &o.section, slice_string("a"), &o.sealed);
}

int main(void)
{
    const TTest *const tests[] = {
        an_object_of_another_implementation_opens_with_aes,
        an_object_of_another_implementation_opens_with_chacha,
        what_is_sealed_is_unsealed_for_every_class_and_suite,
        one_box_does_for_many_objects_of_changing_suites_what_new_ones_do,
        two_objects_of_the_same_bytes_differ_in_salt_and_ciphertext,
        every_flipped_bit_of_a_section_is_noticed,
        every_truncation_of_a_section_is_noticed,
        every_flipped_bit_of_a_header_is_noticed_before_any_section,
        a_header_opens_with_its_own_class_key_only,
        a_header_cut_short_is_refused,
        an_object_does_not_open_as_another_identity,
        an_object_of_any_writer_opens,
        a_section_does_not_open_with_another_description,
        sections_do_not_open_in_each_others_place_or_object,
        seal_peek_tells_the_fields_of_a_header,
    };
    Suite *s = suite_create("seal");
    TCase *c = tcase_create("seal");

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(c, tests[i]);
    tcase_add_test_raise_signal(c, sealing_a_number_twice_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(c, an_opened_box_does_not_seal, SIGABRT);
    suite_add_tcase(s, c);

    SRunner *r = srunner_create(s);

    srunner_run_all(r, CK_NORMAL);

    const int failed = srunner_ntests_failed(r);

    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
