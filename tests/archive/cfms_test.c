#include "archive/cfms.h"

#include <string.h>

#include "archive/ustar.h"
#include "base/mem.h"
#include "base/text.h"
#include "cfms_fixture.h"
#include "codec/cipher.h"
#include "codec/random.h"
#include "support/test.h"

/* One small archive: two files, the second of which may be missing. */

struct world {
    struct buf archive;
    struct cfms_key key;
    json_t *rule;
    int calls, fail_at;  /* writes so far, and which fails */
    int row_calls;       /* of rows_of_documents() */
    bool changes, lacks; /* documents change between the passes; file f2 is missing */
    struct hash wrong;   /* another sha256 for f1 when not zero */
};

static void world_auto(struct world *w)
{
    buf_done(&w->archive);
    json_decref(w->rule);
}

static bool world_write(void *arg, struct slice bytes, struct err *e)
{
    struct world *w = arg;

    if (++w->calls == w->fail_at)
        return err_set(e, ERR_TRANSIENT, "the disk is full");
    return fixture_write(&w->archive, bytes, e);
}

static const char content_one[] = "the first file\n";
static const char content_two[] =
    "no checksum says what stands here, in more than two blocks of it";

static bool rows_of_documents(void *arg, struct cfms_rows *to, struct err *e)
{
    struct world *w = arg;
    const struct cfms_rule rule = {7, "read", w->rule};
    const struct cfms_revision revisions[] = {{1, "hello", "f1", 1795207798.5},
                                              {2, "hello", "f2", 1795207799.0568895}};
    const struct cfms_document d = {.id = "hello",
                                    .title = w->changes && ++w->row_calls == 2 ? "abc" : "\u00fcb",
                                    .created_time = 0.1,
                                    .folder_id = "a-folder",
                                    .rules = &rule,
                                    .rule_count = 1,
                                    .revisions = revisions,
                                    .revision_count = 2};

    return cfms_rows_document(to, &d, e);
}

static bool rows_of_folders(void *arg, struct cfms_rows *to, struct err *e)
{
    const struct cfms_folder f = {.id = "a-folder", .name = "A \"folder\"\n", .created_time = 1e22};

    (void)arg;
    return cfms_rows_folder(to, &f, e);
}

static bool rows_of_files(void *arg, struct cfms_rows *to, struct err *e)
{
    struct world *w = arg;
    struct hash sum;
    const struct hash none = {0};
    const struct cfms_file one = {"f1", "./content/1", 3, &sum, true};
    const struct cfms_file two = {"f2", "./content/2", 4, NULL, false};

    sha256(slice_string(content_one), &sum);
    if (!hash_is_equal(&w->wrong, &none))
        sum = w->wrong;
    return cfms_rows_file(to, &one, e) && cfms_rows_file(to, &two, e);
}

static bool world_contents(struct world *w, struct cfms_writer *c, struct err *e)
{
    if (!cfms_writer_content(c, "f1", sizeof(content_one) - 1, e) ||
        !cfms_writer_bytes(c, slice_string(content_one), e))
        return false;
    if (w->lacks)
        return cfms_writer_missing(c, "f2", e);
    return cfms_writer_content(c, "f2", sizeof(content_two) - 1, e) &&
           cfms_writer_bytes(c, slice_string(content_two), e);
}

static bool world_make(struct world *w, struct err *e)
{
    AUTO(cfms_writer) struct cfms_writer *c = NULL;
    const struct cfms_writer_options o = {
        .name = "demo", .created_at = 1795207798.0567257, .write = world_write, .arg = w};

    if (w->rule == NULL)
        w->rule = json_pack("{s:s, s:[]}", "match", "all", "match_groups");
    return cfms_writer_open(&o, &c, e) && cfms_writer_documents(c, rows_of_documents, w, e) &&
           world_contents(w, c, e) && cfms_writer_files(c, rows_of_files, w, e) &&
           cfms_writer_folders(c, rows_of_folders, w, e) && cfms_writer_finish(c, &w->key, e);
}

/* What a visitor is told, as one line each. */

struct seen {
    struct buf log;
    int calls, fail_at;
};

static void seen_auto(struct seen *s)
{
    buf_done(&s->log);
}

static bool seen_one(struct seen *s, struct err *e)
{
    return ++s->calls != s->fail_at || err_set(e, ERR_TRANSIENT, "the visitor has enough");
}

static bool see_document(void *arg, const struct cfms_document *d, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "document %s %s %s %.17g", d->id, d->title, d->folder_id, d->created_time);
    for (size_t i = 0; i < d->rule_count; i++)
        buf_printf(&s->log, " rule %lld %s %zu", (long long)d->rules[i].id, d->rules[i].access_type,
                   json_object_size(d->rules[i].rule_data));
    for (size_t i = 0; i < d->revision_count; i++)
        buf_printf(&s->log, " revision %lld %s %s", (long long)d->revisions[i].id,
                   d->revisions[i].document_id, d->revisions[i].file_id);
    buf_printf(&s->log, "\n");
    return seen_one(s, e);
}

static bool see_folder(void *arg, const struct cfms_folder *f, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "folder %s %s %s\n", f->id, f->name, f->parent_id ? f->parent_id : "-");
    return seen_one(s, e);
}

static bool see_file(void *arg, const struct cfms_file *f, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "file %s %s %s %d\n", f->id, f->path, f->sha256 ? "sum" : "-",
               f->is_active);
    return seen_one(s, e);
}

static bool see_content(void *arg, const char *id, uint64_t size, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "content %s %llu: ", id, (unsigned long long)size);
    return seen_one(s, e);
}

static bool see_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct seen *s = arg;

    buf_append_slice(&s->log, bytes);
    return seen_one(s, e);
}

static bool see_content_end(void *arg, const char *id, const struct hash *sum, struct err *e)
{
    struct seen *s = arg;

    (void)sum;
    buf_printf(&s->log, "end %s\n", id);
    return seen_one(s, e);
}

static bool see_missing(void *arg, const char *id, struct err *e)
{
    struct seen *s = arg;

    buf_printf(&s->log, "missing %s\n", id);
    return seen_one(s, e);
}

static bool see(struct slice archive, const struct cfms_key *key, bool legacy, struct seen *s,
                struct cfms_result *r, struct err *e)
{
    const struct cfms_source source = {fixture_read, &archive, archive.size};
    const struct cfms_permission permission = {legacy, CFMS_BYTES_MAX};
    const struct cfms_visitor v = {s,           see_document, see_folder,      see_file,
                                   see_content, see_bytes,    see_content_end, see_missing};

    return cfms_read(&source, key, &permission, &v, r, e);
}

static const char log_whole[] = "document hello \u00fcb a-folder 0.10000000000000001 rule 7 read 2 "
                                "revision 1 hello f1 revision 2 hello f2\n"
                                "content f1 15: the first file\nend f1\n"
                                "content f2 64: no checksum says what stands here, in more "
                                "than two blocks of itend f2\n"
                                "file f1 ./content/1 sum 1\nfile f2 ./content/2 - 0\n"
                                "folder a-folder A \"folder\"\n -\n";

TEST(what_is_written_reads_back_and_is_authenticated)
{
    AUTO(world) struct world w = {0};
    AUTO(seen) struct seen s = {0};
    struct cfms_result r;

    CHECK_OK(world_make(&w, e));
    ck_assert_uint_eq(w.archive.size % USTAR_RECORD, 32);
    CHECK(w.key.has_mac && w.key.size == w.archive.size);
    CHECK_OK(see(buf_slice(&w.archive), &w.key, false, &s, &r, e));
    ck_assert_str_eq(buf_string(&s.log), log_whole);
    CHECK(r.is_authenticated && r.created_at == 1795207798.0567257);
    CHECK(r.documents == 1 && r.folders == 1 && r.files == 2 && r.contents == 2);
    CHECK(r.missing == 0 && r.unchecked == 1 && r.strays == 0 && r.others == 0);
}
END

TEST(a_missing_content_is_said_and_seen)
{
    AUTO(world) struct world w = {.lacks = true};
    AUTO(seen) struct seen s = {0};
    struct cfms_result r;

    CHECK_OK(world_make(&w, e));
    CHECK_OK(see(buf_slice(&w.archive), &w.key, false, &s, &r, e));
    CHECK(r.files == 2 && r.contents == 1 && r.missing == 1);
    CHECK(strstr(buf_string(&s.log), "missing f2\n") != NULL);
}
END

TEST(an_archive_without_mac_is_taken_only_with_permission_and_says_so)
{
    AUTO(world) struct world w = {0};
    AUTO(seen) struct seen s = {0};
    struct cfms_result r = {.is_authenticated = true};

    CHECK_OK(world_make(&w, e));
    w.key.has_mac = false;
    CHECK_ERR(see(buf_slice(&w.archive), &w.key, false, &s, &r, e), ERR_DENIED);
    ck_assert_uint_eq(s.log.size, 0);
    CHECK_OK(see(buf_slice(&w.archive), &w.key, true, &s, &r, e));
    CHECK(!r.is_authenticated && r.contents == 2);
}
END

TEST(no_changed_bit_of_an_authenticated_archive_is_believed)
{
    AUTO(world) struct world w = {0};
    AUTO(seen) struct seen s = {0};
    struct cfms_result r;

    CHECK_OK(world_make(&w, e));
    for (size_t bit = 0; bit < 8 * w.archive.size; bit += 997) {
        w.archive.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK_ERR(see(buf_slice(&w.archive), &w.key, true, &s, &r, e), ERR_CORRUPT);
        w.archive.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    CHECK_ERR(see(SLICE_OF(w.archive.data, w.archive.size - 16), &w.key, true, &s, &r, e),
              ERR_CORRUPT);
    ck_assert_uint_eq(s.log.size, 0); /* nothing was decrypted */
    w.key.mac.bytes[31] ^= 1;
    CHECK_ERR(see(buf_slice(&w.archive), &w.key, true, &s, &r, e), ERR_CORRUPT);
}
END

/* Gives back another byte once all has been read. */
struct changing {
    struct slice bytes;
    size_t at;
    bool was_read;
};

static bool changing_read(void *arg, uint64_t offset, uint8_t *to, size_t room, size_t *got,
                          struct err *e)
{
    struct changing *c = arg;

    CHECK(fixture_read(&c->bytes, offset, to, room, got, e));
    if (c->was_read && c->at >= offset && c->at < offset + *got)
        to[c->at - offset] ^= 1;
    c->was_read = c->was_read || offset + *got == c->bytes.size;
    return true;
}

/* Where a text begins that is in the tar archive once. */
static size_t find_plain(const struct world *w, const char *text)
{
    AUTO(cipher) struct cipher *c = cipher_cbc_open(w->key.key, w->archive.data);
    AUTO(mem) uint8_t *plain = mem_new(w->archive.size);
    const size_t size = cipher_add(c, SLICE_OF(w->archive.data + 16, w->archive.size - 16), plain);
    const uint8_t *found = memmem(plain, size, text, strlen(text));

    CHECK(found != NULL);
    return (size_t)(found - plain);
}

TEST(an_archive_that_changes_while_it_is_read_is_not_believed)
{
    AUTO(world) struct world w = {0};
    AUTO(seen) struct seen s = {0};
    AUTO(seen) struct seen legacy = {0};
    struct cfms_result r;

    CHECK_OK(world_make(&w, e));

    /* In the second block of a content without checksum: nothing but the MAC can tell. */
    const size_t at = 16 + find_plain(&w, content_two) + 16;
    struct changing c = {.bytes = buf_slice(&w.archive), .at = at};
    const struct cfms_source source = {changing_read, &c, w.archive.size};
    const struct cfms_permission permission = {false, CFMS_BYTES_MAX};
    const struct cfms_visitor v = {&s,          see_document, see_folder,      see_file,
                                   see_content, see_bytes,    see_content_end, see_missing};

    CHECK_ERR(cfms_read(&source, &w.key, &permission, &v, &r, e), ERR_CORRUPT);
    CHECK(c.was_read && strstr(buf_string(&s.log), "folder") != NULL);
    w.archive.data[at] ^= 1;
    w.key.has_mac = false;
    CHECK_OK(see(buf_slice(&w.archive), &w.key, true, &legacy, &r, e));
}
END

TEST(every_write_that_fails_ends_the_archive_with_its_error)
{
    AUTO(world) struct world whole = {0};
    int n = 0;

    CHECK_OK(world_make(&whole, e));
    CHECK(whole.calls >= 3);
    while (++n <= whole.calls) {
        AUTO(world) struct world w = {.fail_at = n};

        CHECK_ERR(world_make(&w, e), ERR_TRANSIENT);
        ck_assert_int_eq(w.calls, n);
    }
}
END

TEST(every_call_of_the_visitor_can_end_the_reading)
{
    AUTO(world) struct world w = {.lacks = true};
    AUTO(seen) struct seen all = {0};
    struct cfms_result r;

    CHECK_OK(world_make(&w, e));
    CHECK_OK(see(buf_slice(&w.archive), &w.key, false, &all, &r, e));
    for (int n = 1; n <= all.calls; n++) {
        AUTO(seen) struct seen s = {.fail_at = n};

        CHECK_ERR(see(buf_slice(&w.archive), &w.key, false, &s, &r, e), ERR_TRANSIENT);
        ck_assert_int_eq(s.calls, n);
    }
}
END

TEST(records_that_change_or_contradict_their_contents_are_not_written)
{
    AUTO(world) struct world changes = {.changes = true};
    AUTO(world) struct world wrong = {.wrong.bytes = {1}};

    CHECK_ERR(world_make(&changes, e), ERR_FATAL);
    CHECK_ERR(world_make(&wrong, e), ERR_CORRUPT);
}
END

static bool no_rows(void *arg, struct cfms_rows *to, struct err *e)
{
    (void)arg;
    (void)to;
    (void)e;
    return true;
}

/* A writer whose contents come next. */
static struct cfms_writer *writer_at_contents(struct world *w)
{
    struct cfms_writer *c;
    const struct cfms_writer_options o = {.name = "x", .write = world_write, .arg = w};

    CHECK_OK(cfms_writer_open(&o, &c, e));
    CHECK_OK(cfms_writer_documents(c, no_rows, NULL, e));
    return c;
}

TEST(contents_come_in_order_once_and_in_their_size)
{
    AUTO(world) struct world w = {0};
    AUTO(cfms_writer) struct cfms_writer *c = writer_at_contents(&w);
    AUTO(cfms_writer) struct cfms_writer *short_one = writer_at_contents(&w);

    CHECK_OK(cfms_writer_content(c, "b", 3, e));
    CHECK_ERR(cfms_writer_bytes(c, slice_string("four"), e), ERR_USAGE);
    CHECK_OK(cfms_writer_bytes(c, slice_string("abc"), e));
    CHECK_ERR(cfms_writer_content(c, "a", 0, e), ERR_USAGE);
    CHECK_ERR(cfms_writer_content(c, "b", 0, e), ERR_USAGE);
    CHECK_ERR(cfms_writer_missing(c, "b", e), ERR_USAGE);
    CHECK_ERR(cfms_writer_content(c, "../c", 0, e), ERR_USAGE);
    CHECK_ERR(cfms_writer_content(c, "c", CFMS_BYTES_MAX, e), ERR_USAGE);
    CHECK_OK(cfms_writer_content(short_one, "b", 3, e));
    CHECK_ERR(cfms_writer_content(short_one, "c", 0, e), ERR_USAGE);
}
END

TEST(contents_and_records_of_files_belong_together)
{
    AUTO(world) struct world w = {.rule = json_object()};
    AUTO(cfms_writer) struct cfms_writer *without_record = writer_at_contents(&w);
    AUTO(cfms_writer) struct cfms_writer *without_content = writer_at_contents(&w);

    CHECK_OK(cfms_writer_content(without_record, "f0", 0, e));
    CHECK_ERR(cfms_writer_files(without_record, no_rows, NULL, e), ERR_USAGE);
    CHECK_ERR(cfms_writer_files(without_content, rows_of_files, &w, e), ERR_USAGE);
}
END

TEST(ids_are_names_and_never_paths)
{
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    static const char *const bad[] = {"",       ".",   "..",  "a/b", "/",   "a\\b",  "a b",
                                      "\u00fc", "a\n", "a:b", "~*",  "a.b", "%2e%2e"};
    char longer[CFMS_ID_MAX + 1];

    CHECK(cfms_id_is("hello") && cfms_id_is("init") && cfms_id_is("A-z_9") && cfms_id_is(longest));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!cfms_id_is(bad[i]), "%s", bad[i]);
    memset(longer, 'a', CFMS_ID_MAX);
    longer[CFMS_ID_MAX] = '\0';
    CHECK(!cfms_id_is(longer));
}
END

/* Key files */

static const char published_key[] =
    "{\n  \"key\": \"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\",\n"
    "  \"algorithm\": \"AES-256-CBC\",\n  \"created_at\": 1795207798.0567257,\n"
    "  \"backup_name\": \"demo\"\n}";

TEST(key_files_of_the_application_come_back_byte_for_byte)
{
    struct cfms_key k, again;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf more = {0};

    CHECK_OK(cfms_key_parse(slice_string(published_key), &k, e));
    CHECK(!k.has_mac && k.key[0] == 0x7d && k.key[31] == 0xbf);
    ck_assert_str_eq(k.name, "demo");
    cfms_key_format(&k, &text);
    ck_assert_str_eq(buf_string(&text), published_key);
    k.has_mac = true;
    k.size = 10272;
    random_bytes(&k.mac, sizeof(k.mac));
    random_bytes(&k.sha256, sizeof(k.sha256));
    cfms_key_format(&k, &more);
    CHECK(memcmp(more.data, text.data, text.size - 2) == 0); /* the new members come last */
    CHECK_OK(cfms_key_parse(buf_slice(&more), &again, e));
    CHECK(again.has_mac && again.size == 10272 && hash_is_equal(&again.mac, &k.mac) &&
          hash_is_equal(&again.sha256, &k.sha256));
}
END

static const char *const bad_keys[] = {
    "",
    "{}",
    "[]",
    "null",
    "{\"key\":\"00\",\"algorithm\":\"AES-256-CBC\"}",
    "{\"key\":7,\"algorithm\":\"AES-256-CBC\"}",
    "{\"algorithm\":\"AES-256-CBC\"}",
    "{\"key\":\"zd9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"algorithm\":\"AES-256-CBC\"}",
    "{\"key\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"algorithm\":\"AES-256-GCM\"}",
    "{\"key\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"key\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"algorithm\":\"AES-256-CBC\"}",
    "{\"key\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"algorithm\":\"AES-256-CBC\",\"archive_size\":1}",
    "{\"key\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"algorithm\":\"AES-256-CBC\",\"archive_size\":-1,"
    "\"hmac_sha256\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"archive_sha256\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\"}",
    "{\"key\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\","
    "\"algorithm\":\"AES-256-CBC\",\"archive_size\":1,\"hmac_sha256\":null,"
    "\"archive_sha256\":\"7d9f094aba3d86653c32981170930391216dc94e4a2a3b654027bb7c037f2fbf\"}",
};

TEST(key_files_that_are_none_are_refused_without_showing_the_key)
{
    for (size_t i = 0; i < sizeof(bad_keys) / sizeof(bad_keys[0]); i++) {
        struct cfms_key k;
        struct err e = {0};

        CHECK(!cfms_key_parse(slice_string(bad_keys[i]), &k, &e));
        ck_assert_int_eq(e.code, ERR_CORRUPT);
        CHECK(strstr(e.text, "7d9f") == NULL && strstr(e.text, "zd9f") == NULL);
    }
}
END

TEST(a_key_file_longer_than_its_limit_is_refused)
{
    AUTO(buf) struct buf text = {0};
    struct cfms_key k;

    buf_printf(&text, "%*s", (int)CFMS_KEY_TEXT_MAX, published_key);
    CHECK_OK(cfms_key_parse(buf_slice(&text), &k, e));
    buf_printf(&text, " ");
    CHECK_ERR(cfms_key_parse(buf_slice(&text), &k, e), ERR_CORRUPT);
}
END

/* What has no room in eleven octal digits stands in the extended header. */
TEST(members_of_8_gib_and_more_have_their_size_and_come_back_with_it)
{
    static const uint64_t sizes[] = {((uint64_t)1 << 33) - 1, (uint64_t)1 << 33, 9663676416};
    static const char *const records[] = {NULL, "19 size=8589934592\n", "19 size=9663676416\n"};

    for (size_t i = 0; i < 3; i++) {
        AUTO(buf) struct buf header = {0};
        struct ustar_member m;
        bool more;

        ustar_header("./files/x", 0644, sizes[i], -1.5, &header);
        CHECK(memmem(header.data, header.size, "14 mtime=-1.5\n", 14) != NULL);
        CHECK(records[i] == NULL ||
              memmem(header.data, header.size, records[i], strlen(records[i])) != NULL);

        struct slice in = buf_slice(&header);
        AUTO(ustar_reader)
        struct ustar_reader *r =
            ustar_reader_new(json_read_slice, &in, (struct ustar_limits){1, CFMS_BYTES_MAX});

        CHECK_OK(ustar_reader_next(r, &m, &more, e));
        CHECK(more && m.size == sizes[i] && strcmp(m.name, "files/x") == 0);
    }
}
END

/* Far more than is held in memory at once, and the size of a member beyond one piece. */
TEST(contents_of_any_size_stream_through)
{
    AUTO(world) struct world w = {0};
    AUTO(cfms_writer) struct cfms_writer *c = writer_at_contents(&w);
    const size_t size = ((size_t)9 << 20) + 77;
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(cfms_writer_content(c, "f1", size, e));
    random_bytes(buf_extend(&bytes, size), size);
    for (size_t at = 0; at < size; at += 100000)
        CHECK_OK(cfms_writer_bytes(
            c, SLICE_OF(bytes.data + at, size - at < 100000 ? size - at : 100000), e));
    CHECK_ERR(cfms_writer_bytes(c, slice_string("x"), e), ERR_USAGE);
    CHECK(w.archive.size > size - 300000); /* it is not kept back */
}
END

TESTS("archive/cfms", what_is_written_reads_back_and_is_authenticated,
      a_missing_content_is_said_and_seen,
      an_archive_without_mac_is_taken_only_with_permission_and_says_so,
      no_changed_bit_of_an_authenticated_archive_is_believed,
      an_archive_that_changes_while_it_is_read_is_not_believed,
      every_write_that_fails_ends_the_archive_with_its_error,
      every_call_of_the_visitor_can_end_the_reading,
      records_that_change_or_contradict_their_contents_are_not_written,
      contents_come_in_order_once_and_in_their_size, contents_and_records_of_files_belong_together,
      ids_are_names_and_never_paths, key_files_of_the_application_come_back_byte_for_byte,
      key_files_that_are_none_are_refused_without_showing_the_key,
      a_key_file_longer_than_its_limit_is_refused,
      members_of_8_gib_and_more_have_their_size_and_come_back_with_it,
      contents_of_any_size_stream_through)
