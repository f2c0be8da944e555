#include "archive/wireguard_zip.h"

#include <stdio.h>
#include <string.h>

#include "archive/deflate.h"
#include "archive/wireguard_conf.h"
#include "archive/zip_head.h"
#include "base/clock.h"
#include "base/mem.h"
#include "support/test.h"

#define DATABASE "SQLite format 3\0 and pages"
#define CONF     "[Interface]\nPrivateKey = k\n[Peer]\nPublicKey = p\n"
#define CREATED  (INT64_C(1795207912) * NS_PER_S + 894049000) /* 2026-11-20T20:51:52.894049 */

static const struct slice database = {(const uint8_t *)DATABASE, sizeof(DATABASE) - 1};
static const struct slice conf = {(const uint8_t *)CONF, sizeof(CONF) - 1};
static const struct slice rules = {(const uint8_t *)"*nat\nCOMMIT\n", 12};

static struct zip_member member(const char *name, const struct slice *bytes)
{
    return (struct zip_member){name, CREATED, input_of_slice(bytes)};
}

static bool make(const struct zip_member *members, size_t count, struct buf *out, struct err *e)
{
    const struct wireguard_making m = {members, count, CREATED, "./inst"};
    const struct output to = output_of_buf(out);

    buf_clear(out);
    return wireguard_zip_write(&m, &to, e);
}

/* All kinds of members. */
static void make_sample(struct buf *out)
{
    const struct zip_member members[] = {
        member("app.db", &database),
        member("configs/site_ab12cd34.conf", &conf),
        member("configs.db", &database),
        member("wireguard.db", &database),
        member("iptables_rules.txt", &rules),
        member("iptables_nat_rules.txt", &rules),
        member("iptables_forward_rules.txt", &rules),
        member("configs/notes.txt", &rules),
    };

    CHECK_OK(make(members, sizeof(members) / sizeof(members[0]), out, e));
}

static bool opens(struct slice file, struct err *e)
{
    const struct input from = input_of_slice(&file);
    AUTO(wireguard_zip) struct wireguard_zip w = {0};

    return wireguard_zip_open(&from, &w, e);
}

static void check_refused(struct slice file, const char *why)
{
    struct err e = {0};

    ck_assert_msg(!opens(file, &e), "taken, though it %s", why);
    ck_assert_int_eq(e.code, ERR_CORRUPT);
    ck_assert_msg(strstr(e.text, why) != NULL, "\"%s\", not \"%s\"", e.text, why);
}

static bool collect(void *arg, struct slice piece, struct err *e)
{
    (void)e;
    buf_append_slice(arg, piece);
    return true;
}

TEST(what_is_written_is_read_with_metadata_as_the_application_writes_it)
{
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    struct slice bytes;
    struct input from;

    make_sample(&file);
    bytes = buf_slice(&file);
    from = input_of_slice(&bytes);
    CHECK_OK(wireguard_zip_open(&from, &w, e));
    CHECK(w.databases == 3 && w.configs == 1 && w.rules == 3 && w.zip.count == 9);
    ck_assert_str_eq(w.created_at, "2026-11-20T20:51:52.894049+00:00");
    ck_assert_str_eq(w.zip.entries[6].name, "backup_metadata.json");
    ck_assert_str_eq(w.zip.entries[8].name, "configs/notes.txt");
    CHECK_OK(zip_read(&w.zip, &w.zip.entries[6], collect, &text, e));
    ck_assert_str_eq(
        buf_string(&text),
        "{\n  \"backup_version\": \"1.0\",\n"
        "  \"created_at\": \"2026-11-20T20:51:52.894049+00:00\",\n"
        "  \"timestamp\": \"20261120_205152\",\n"
        "  \"system_info\": {\n    \"platform\": \"posix\",\n    \"instance_path\": \"./inst\"\n  "
        "},\n"
        "  \"contents\": {\n    \"databases\": [\n      \"app.db\",\n      \"configs.db\",\n"
        "      \"wireguard.db\"\n    ],\n    \"configs\": [\n      \"site_ab12cd34.conf\"\n    ],\n"
        "    \"iptables_rules\": [\n      \"iptables_rules.txt\",\n      "
        "\"iptables_nat_rules.txt\"\n"
        "    ]\n  }\n}");
    buf_clear(&text);
    CHECK_OK(zip_read(&w.zip, zip_find(&w.zip, "app.db"), collect, &text, e));
    CHECK(slice_is_equal(buf_slice(&text), database));
}
END

/* Names and bytes of all members; false: it is refused. */
static bool content_of(struct slice file, struct buf *out)
{
    const struct input from = input_of_slice(&file);
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    struct err why;

    buf_clear(out);
    if (!wireguard_zip_open(&from, &w, &why))
        return false;
    for (size_t i = 0; i < w.zip.count; i++) {
        buf_printf(out, "%s\n", w.zip.entries[i].name);
        CHECK_OK(zip_read(&w.zip, &w.zip.entries[i], collect, out, e));
    }
    return true;
}

/* Modes and the version that made an entry stand in the directory only, and bits are left over
 * behind a deflated stream: these may change, and nothing else does then. */
TEST(no_changed_bit_and_no_cut_yields_other_content)
{
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf wanted = {0};
    AUTO(buf) struct buf found = {0};
    size_t taken = 0;

    make_sample(&file);
    CHECK(content_of(buf_slice(&file), &wanted));
    for (size_t size = 0; size < file.size; size++)
        CHECK_ERR(opens(SLICE_OF(file.data, size), e), ERR_CORRUPT);
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (content_of(buf_slice(&file), &found)) {
            taken++;
            CHECK(slice_is_equal(buf_slice(&wanted), buf_slice(&found)));
        }
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_le(taken, (size_t)9 * (53 + 7));
    buf_append(&file, "", 1);
    check_refused(buf_slice(&file), "it does not end with its directory");
}
END

/* Records of a file made by hand */

struct piece {
    const char *name, *own_name; /* own_name: NULL as name */
    const char *text;
    uint16_t flags, method, needed, made, disk;
    uint32_t attributes;
    const char *extra, *own_extra; /* of a size that fits in one byte at [2] */
    const char *comment;
    uint32_t size, packed, own_crc; /* 0: what is right */
    int64_t shift;                  /* of the offset */
};

struct made {
    struct buf file, directory;
    uint16_t count;
};

static void made_auto(struct made *m)
{
    buf_done(&m->file);
    buf_done(&m->directory);
}

static uint16_t extra_size(const char *extra)
{
    return (uint16_t)(extra != NULL ? 4 + extra[2] : 0);
}

static void add_piece(struct made *m, const struct piece *p)
{
    const struct slice text = slice_string(p->text != NULL ? p->text : "");
    const char *own = p->own_name != NULL ? p->own_name : p->name;
    struct zip_head h = {
        .made = p->made > 0 ? p->made : (uint16_t)(ZIP_HOST_UNIX << 8 | ZIP_VERSION),
        .needed = p->needed > 0 ? p->needed : ZIP_VERSION,
        .flags = p->flags,
        .method = p->method,
        .crc = p->own_crc > 0 ? p->own_crc : deflate_crc(0, text),
        .size = p->size > 0 ? p->size : (uint32_t)text.size,
        .packed = p->packed > 0 ? p->packed : (uint32_t)text.size,
        .name_size = (uint16_t)strlen(own),
        .extra_size = extra_size(p->own_extra),
    };
    const size_t offset = m->file.size;

    zip_head_put_local(&h, &m->file);
    buf_append(&m->file, own, strlen(own));
    if (p->own_extra != NULL)
        buf_append(&m->file, p->own_extra, h.extra_size);
    buf_append_slice(&m->file, text);
    h.crc = deflate_crc(0, text);
    h.name_size = (uint16_t)strlen(p->name);
    h.extra_size = extra_size(p->extra);
    h.comment_size = (uint16_t)(p->comment != NULL ? strlen(p->comment) : 0);
    h.disk = p->disk;
    h.attributes = p->attributes;
    h.offset = (uint32_t)((int64_t)offset + p->shift);
    zip_head_put_central(&h, &m->directory);
    buf_append(&m->directory, p->name, strlen(p->name));
    if (p->extra != NULL)
        buf_append(&m->directory, p->extra, h.extra_size);
    if (p->comment != NULL)
        buf_append(&m->directory, p->comment, h.comment_size);
    m->count++;
}

static void finish(struct made *m, const struct zip_end *other)
{
    struct zip_end end = {.here = m->count,
                          .total = m->count,
                          .size = (uint32_t)m->directory.size,
                          .offset = (uint32_t)m->file.size};

    if (other != NULL)
        end = *other;
    buf_append_slice(&m->file, buf_slice(&m->directory));
    zip_end_put(&end, &m->file);
}

#define METADATA_TEXT \
    "{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"databases\":[\"app.db\"]}}"

static const struct piece metadata_piece = {"backup_metadata.json", .text = METADATA_TEXT};
/* A file with this piece behind the metadata; all else it lacks is app.db. */
static bool opens_with(const struct piece *more, struct err *e)
{
    AUTO(made) struct made m = {0};

    add_piece(&m, &metadata_piece);
    add_piece(&m, more);
    finish(&m, NULL);
    return opens(buf_slice(&m.file), e);
}

#define FILE_MODE ((uint32_t)0100644 << 16)

static const struct {
    struct piece piece;
    const char *why;
} bad_pieces[] = {
    {{"../x"}, "Malicious path detected: ../x"},
    {{"configs/../x"}, "Malicious path detected"},
    {{"configs/a..b.conf"}, "Malicious path detected: configs/a..b.conf"},
    {{"/etc/passwd"}, "Malicious path detected: /etc/passwd"},
    {{"configs\\x"}, "Malicious path detected"},
    {{"C:x"}, "Malicious path detected"},
    {{"configs//x"}, "Malicious path detected"},
    {{"configs/./x"}, "Malicious path detected"},
    {{"configs/x."}, "Malicious path detected"},
    {{"configs/x "}, "Malicious path detected"},
    {{"/"}, "Malicious path detected"},
    {{"configs/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"}, "Malicious path detected"},
    {{""}, "a name has 0 bytes"},
    {{"configs/caf\xc3\xa9.conf", .flags = 0x800}, "a name is not printable ASCII"},
    {{"configs/caf\x82.conf"}, "a name is not printable ASCII"},
    {{"configs/a\nb"}, "a name is not printable ASCII"},
    {{"configs/x", .own_name = "configs/y"}, "configs/x has another name in front of it"},
    {{"configs/x", .own_name = "configs/xy"}, "is another in the directory"},
    {{"configs/x", .own_crc = 7, .text = "t"}, "is another in the directory"},
    {{"configs/x", .flags = 1}, "configs/x is encrypted"},
    {{"configs/x", .flags = 0x40}, "configs/x is encrypted"},
    {{"configs/x", .flags = 0x2000}, "configs/x is encrypted"},
    {{"configs/x", .flags = 8}, "a data descriptor"},
    {{"configs/x", .flags = 0x20}, "has flags that are not known"},
    {{"configs/x", .needed = 45}, "needs a newer version"},
    {{"configs/x", .disk = 1}, "another part of a split file"},
    {{"configs/x", .made = 7 << 8}, "comes from a system that is not known"},
    {{"configs/x", .attributes = (uint32_t)0120777 << 16}, "configs/x is a symbolic link"},
    {{"configs/x", .attributes = (uint32_t)0010644 << 16}, "is no regular file"},
    {{"configs/x", .attributes = (uint32_t)0040755 << 16}, "is no regular file"},
    {{"configs/x/", .attributes = FILE_MODE}, "is no regular file"},
    {{"configs/x", .made = 20, .attributes = 0x10}, "is a file or a folder"},
    {{"configs/x/", .text = "content"}, "is a folder with content"},
    {{"configs/x", .method = 12}, "compressed in a way that is not known"},
    {{"configs/x", .size = 5, .text = "t"}, "is stored with two sizes"},
    {{"configs/x", .comment = "c"}, "configs/x has a comment"},
    {{"configs/x", .extra = "\x01\x00\x08\x00zip64abc"}, "extra fields that could mean"},
    {{"configs/x", .own_extra = "\x75\x70\x03\x00utf"}, "extra fields that could mean"},
    {{"configs/x", .shift = 1}, "overlaps what is before it, or leaves a gap"},
    {{"configs/x", .shift = -1}, "overlaps what is before it, or leaves a gap"},
    {{"configs/x", .text = "t", .size = 900, .packed = 900}, "overlaps the directory"},
    {{"configs/x", .text = "t", .size = UINT32_MAX, .packed = UINT32_MAX},
     "Extracted size too large (max 104857600)"},
    {{"configs/x", .text = "t", .size = 90000000, .method = 8}, "expands to more than 100 times"},
    {{"configs/x", .text = "t", .size = 90, .method = 8}, "configs/x: "},
    {{"configs/x", .text = "\x03", .size = 90, .method = 8}, "unexpected end of file"},
    {{"configs/x", .text = "\x01\x01", .size = 90, .method = 8}, "configs/x: "},
    {{"backup_metadata.json", .text = "{}"}, "backup_metadata.json stands there twice"},
    {{"Backup_Metadata.JSON", .text = "{}"}, "stands there twice"},
    {{"backup_metadata.json/x"}, "is a file and a folder"},
    {{"etc/cron.d/x", .text = "t"}, "does not belong into a backup"},
    {{"App.db", .text = "t"}, "does not belong into a backup"},
    {{"app.db", .text = "no database"}, "app.db is no SQLite database"},
    {{"configs/x.conf", .text = "\xff[Interface][Peer]"}, "configs/x.conf is not UTF-8"},
    {{"configs/x.conf", .text = "[Interface]"}, "configs/x.conf lacks [Interface] or [Peer]"},
};

TEST(each_kind_of_malformed_entry_is_refused_with_its_sentence)
{
    for (size_t i = 0; i < sizeof(bad_pieces) / sizeof(bad_pieces[0]); i++) {
        struct err e = {0};

        ck_assert_msg(!opens_with(&bad_pieces[i].piece, &e), "%s: %s", bad_pieces[i].piece.name,
                      bad_pieces[i].why);
        ck_assert_int_eq(e.code, ERR_CORRUPT);
        ck_assert_msg(strstr(e.text, bad_pieces[i].why) != NULL, "\"%s\", not \"%s\"", e.text,
                      bad_pieces[i].why);
    }
}
END

TEST(folders_times_and_owners_of_info_zip_are_taken)
{
    static const struct piece good[] = {
        {"configs/", .attributes = (uint32_t)0040755 << 16 | 0x10, .needed = 10},
        {"configs/x", .extra = "\x55\x54\x05\x00\x03mtim",
         .own_extra = "\x55\x54\x09\x00\x03mtimatim"},
        {"configs/x", .extra = "\x75\x78\x0b\x00uuuuuuuuuuu",
         .own_extra = "\x75\x78\x0b\x00uuuuuuuuuuu"},
        {"configs/x", .made = 20, .flags = 2},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct err e = {0};

        CHECK(!opens_with(&good[i], &e));
        ck_assert_msg(strstr(e.text, "contents.databases names app.db, which is not there") != NULL,
                      "%s", e.text);
    }
}
END

TEST(the_end_of_the_file_must_be_its_directory)
{
    static const struct {
        struct zip_end end;
        const char *why;
    } bad[] = {
        {{.disk = 1, .here = 1, .total = 1, .size = 66, .offset = 127}, "split file"},
        {{.directory_disk = 1, .here = 1, .total = 1, .size = 66, .offset = 127}, "split file"},
        {{.here = 1, .total = 2, .size = 66, .offset = 127}, "split file"},
        {{.here = 10001, .total = 10001, .size = 66, .offset = 127}, "more than 10000 entries"},
        {{.here = 65535, .total = 65535, .size = UINT32_MAX, .offset = UINT32_MAX},
         "10000 entries"},
        {{.here = 1, .total = 1, .size = UINT32_MAX, .offset = UINT32_MAX}, "does not stand where"},
        {{.here = 1, .total = 1, .size = 65, .offset = 127}, "does not stand where"},
        {{.here = 1, .total = 1, .size = 65, .offset = 128}, "directory is damaged"},
        {{.here = 0, .total = 0, .size = 66, .offset = 127}, "longer than its entries"},
        {{.here = 2, .total = 2, .size = 66, .offset = 127}, "directory is damaged"},
        {{.here = 1, .total = 1, .size = 193, .offset = 0}, "directory is damaged"},
        {{.here = 1, .total = 1, .size = 66, .offset = 127, .comment_size = 1},
         "does not end with"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(made) struct made m = {0};

        add_piece(&m, &metadata_piece);
        ck_assert_uint_eq(m.file.size, 127);
        ck_assert_uint_eq(m.directory.size, 66);
        finish(&m, &bad[i].end);
        check_refused(buf_slice(&m.file), bad[i].why);
    }
}
END

TEST(bytes_of_no_entry_are_refused_in_front_between_and_behind)
{
    for (int where = 0; where < 3; where++) {
        AUTO(made) struct made m = {0};

        if (where == 0)
            buf_append(&m.file, "#!/bin/sh", 9);
        add_piece(&m, &metadata_piece);
        if (where == 1)
            buf_append(&m.file, "gap", 3);
        if (where > 0)
            add_piece(&m, &(struct piece){"configs/x"});
        if (where == 2)
            buf_append(&m.file, "gap", 3);
        finish(&m, NULL);
        check_refused(buf_slice(&m.file), where == 2
                                              ? "there are bytes that belong to no entry"
                                              : "overlaps what is before it, or leaves a gap");
    }
}
END

static bool opens_metadata(const char *text, struct err *e)
{
    AUTO(made) struct made m = {0};

    add_piece(&m, &(struct piece){"backup_metadata.json", .text = text});
    add_piece(&m, &(struct piece){"configs/x.conf", .text = CONF});
    finish(&m, NULL);
    return opens(buf_slice(&m.file), e);
}

static const struct {
    const char *text, *why;
} bad_metadata[] = {
    {"", "is no JSON object"},
    {"[]", "is no JSON object"},
    {"{} x", "is no JSON object"},
    {"{\"a\":1,\"a\":1}", "is no JSON object"},
    {"{\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", "is too deep"},
    {"{}", "Missing required metadata field: backup_version"},
    {"{\"backup_version\":\"1.0\"}", "Missing required metadata field: created_at"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\"}",
     "Missing required metadata field: contents"},
    {"{\"backup_version\":\"2.0\\n\",\"created_at\":\"t\",\"contents\":{}}",
     "Unsupported backup version: 2.0"},
    {"{\"backup_version\":1.0,\"created_at\":\"t\",\"contents\":{}}",
     "Unsupported backup version: "},
    {"{\"backup_version\":\"1.0\",\"created_at\":1,\"contents\":{}}", "created_at is no time"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":[]}", "contents is no object"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{}}",
     "No database files found in backup to restore"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"databases\":{}}}",
     "contents.databases is no list"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"databases\":[1]}}",
     "contents.databases holds what is no name"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"databases\":[\"app.db\"]}}",
     "contents.databases names app.db, which is not there"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"databases\":[\"/etc/x\"]}}",
     "contents.databases names /etc/x, which it cannot hold"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"configs\":[\"../x.conf\"]}}",
     "contents.configs names ../x.conf, which "},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"configs\":[\"x.conf\",\"x."
     "conf\"]"
     "}}",
     "contents.configs names x.conf, which is not there or was named"},
    {"{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"configs\":[\"y.txt\"]}}",
     "contents.configs names y.txt, which it cannot hold"},
};

TEST(metadata_is_checked_in_the_applications_words)
{
    AUTO(made) struct made none = {0};

    for (size_t i = 0; i < sizeof(bad_metadata) / sizeof(bad_metadata[0]); i++) {
        struct err e = {0};

        ck_assert_msg(!opens_metadata(bad_metadata[i].text, &e), "%s", bad_metadata[i].text);
        ck_assert_msg(strstr(e.text, bad_metadata[i].why) != NULL, "\"%s\", not \"%s\"", e.text,
                      bad_metadata[i].why);
    }
    finish(&none, NULL);
    check_refused(buf_slice(&none.file), "Missing required files: backup_metadata.json");
    check_refused(SLICE_OF(NULL, 0), "Backup file is empty");
}
END

static const struct {
    const char *name;
    const struct slice *bytes;
    const char *contents, *why; /* NULL: it is taken */
} unlisted[] = {
    {"configs/x.conf", &conf, "\"configs\":[\"x.conf\"]", NULL},
    {"configs/x.conf", &conf, "\"configs\":[]", "does not list"},
    {"configs.db", &database, "\"configs\":[]", "does not list"},
    {"iptables_rules.txt", &rules, "\"iptables_rules\":[]", "does not list"},
    {"iptables_forward_rules.txt", &rules, "\"iptables_rules\":[]", NULL},
    {"configs/notes.txt", &rules, "\"configs\":[]", NULL},
};

TEST(files_that_the_metadata_should_list_and_does_not_are_refused)
{
    for (size_t i = 0; i < sizeof(unlisted) / sizeof(unlisted[0]); i++) {
        AUTO(buf) struct buf text = {0};
        AUTO(buf) struct buf file = {0};
        const struct output to = output_of_buf(&file);
        AUTO(zip_writer) struct zip_writer *w = zip_writer_new(&to, &zip_rules_python);
        struct slice bytes;

        buf_printf(&text,
                   "{\"backup_version\":\"1.0\",\"created_at\":\"t\",\"contents\":{\"databases\":["
                   "\"app.db\"],%s}}",
                   unlisted[i].contents);
        bytes = buf_slice(&text);

        const struct zip_member members[] = {member("app.db", &database),
                                             member("backup_metadata.json", &bytes),
                                             member(unlisted[i].name, unlisted[i].bytes)};

        for (size_t k = 0; k < 3; k++)
            CHECK_OK(zip_writer_add(w, &members[k], e));
        CHECK_OK(zip_writer_finish(w, e));
        if (unlisted[i].why != NULL)
            check_refused(buf_slice(&file), unlisted[i].why);
        else
            CHECK_OK(opens(buf_slice(&file), e));
    }
}
END

static bool read_zeros(void *arg, uint64_t offset, void *to, size_t size, size_t *got,
                       struct err *e)
{
    (void)arg, (void)offset, (void)e;
    memset(to, 0, size);
    *got = size;
    return true;
}

TEST(size_is_bounded_in_the_applications_words)
{
    const struct input large = {read_zeros, NULL, ZIP_FILE_MAX + 1};
    struct wireguard_zip w = {0};
    struct err e;

    CHECK(!wireguard_zip_open(&large, &w, &e));
    ck_assert_str_eq(e.text, "Backup file too large (52428801 bytes, max 52428800)");
}
END

TEST(what_a_reader_would_refuse_is_not_written)
{
    AUTO(buf) struct buf file = {0};
    const struct zip_member twice[] = {member("app.db", &database), member("app.db", &database)};
    const struct zip_member away = member("../app.db", &database);
    const struct zip_member odd[] = {member("app.db", &database),
                                     member("configs/\xc3\xa9", &conf)};
    const struct zip_member none = member("configs/x.conf", &conf);
    struct zip_member large = {"app.db", CREATED, {read_zeros, NULL, ZIP_PLAIN_MAX}};

    CHECK_ERR(make(twice, 2, &file, e), ERR_USAGE);
    CHECK_ERR(make(&away, 1, &file, e), ERR_USAGE);
    CHECK_ERR(make(odd, 2, &file, e), ERR_USAGE);
    CHECK_ERR(make(&none, 1, &file, e), ERR_USAGE);
    CHECK_ERR(make(NULL, 0, &file, e), ERR_USAGE);
    CHECK_ERR(make(&large, 1, &file, e), ERR_USAGE); /* it shrinks too well */
    large.data.size++;
    CHECK_ERR(make(&large, 1, &file, e), ERR_USAGE);
}
END

static bool make_with_sums(struct buf *out, struct err *e)
{
    const struct zip_member members[] = {member("app.db", &database),
                                         member("iptables_rules.txt", &rules),
                                         member("configs/x.conf", &conf)};
    const struct wireguard_making m = {members, 3, CREATED, "./inst", true};
    const struct output to = output_of_buf(out);

    return wireguard_zip_write(&m, &to, e);
}

/* A file with sums, but with other metadata: the same text with one word in place of another. */
static bool opens_with_sums(const char *from, const char *to, struct err *why)
{
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf other = {0};
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    AUTO(buf) struct buf again = {0};
    const struct output out = output_of_buf(&again);
    AUTO(zip_writer) struct zip_writer *writer = zip_writer_new(&out, &zip_rules_python);
    struct slice bytes;
    const char *at;

    CHECK_OK(make_with_sums(&file, e));
    bytes = buf_slice(&file);

    const struct input in = input_of_slice(&bytes);

    CHECK_OK(wireguard_zip_open(&in, &w, e));
    CHECK_OK(zip_read(&w.zip, zip_find(&w.zip, "backup_metadata.json"), collect, &text, e));
    at = strstr(buf_string(&text), from);
    ck_assert_msg(at != NULL, "%s is not in %s", from, buf_string(&text));
    buf_printf(&other, "%.*s%s%s", (int)(at - buf_string(&text)), buf_string(&text), to,
               at + strlen(from));
    bytes = buf_slice(&other);

    const struct zip_member members[] = {
        member("app.db", &database), member("iptables_rules.txt", &rules),
        member("backup_metadata.json", &bytes), member("configs/x.conf", &conf)};

    for (size_t i = 0; i < 4; i++)
        CHECK_OK(zip_writer_add(writer, &members[i], e));
    CHECK_OK(zip_writer_finish(writer, e));
    return opens(buf_slice(&again), why);
}

TEST(sums_in_the_metadata_are_of_all_members_and_right)
{
    struct err why = {0};

    CHECK_OK(opens_with_sums("1.0", "1.0", e));
    /* of "*nat\nCOMMIT\n" */
    CHECK(!opens_with_sums("\"iptables_rules.txt\": \"0", "\"iptables_rules.txt\": \"1", &why));
    CHECK(strstr(why.text, "iptables_rules.txt: its SHA-256 is another") != NULL);
    CHECK(!opens_with_sums("\"iptables_rules.txt\": \"", "\"iptables_rules.txt\": \"00", &why));
    CHECK(!opens_with_sums("\"configs/x.conf\"", "\"configs/y.conf\"", &why));
    CHECK(strstr(why.text, "has no SHA-256 of configs/x.conf") != NULL);
    CHECK(!opens_with_sums("\"configs/x.conf\"", "\"more\": \"\", \"configs/x.conf\"", &why));
    CHECK(strstr(why.text, "that are not there") != NULL);
    CHECK(!opens_with_sums("\"sha256\"", "\"sha256\": [], \"was\"", &why));
    CHECK(strstr(why.text, "no object") != NULL);
    CHECK_OK(opens_with_sums("\"sha256\"", "\"was\"", e)); /* as in published files */
}
END

/* An output of which one call fails. */
struct failing {
    struct buf file;
    int left;
};

static bool write_failing(void *arg, struct slice piece, struct err *e)
{
    struct failing *f = arg;

    if (f->left-- == 0)
        return err_set(e, ERR_FATAL, "no space left");
    buf_append_slice(&f->file, piece);
    return true;
}

static bool patch_failing(void *arg, uint64_t offset, struct slice bytes, struct err *e)
{
    struct failing *f = arg;
    const struct output to = output_of_buf(&f->file);

    if (f->left-- == 0)
        return err_set(e, ERR_FATAL, "no space left");
    return to.patch(to.arg, offset, bytes, e);
}

TEST(whichever_write_fails_the_failure_is_told_and_nobody_can_read_what_is_there)
{
    const struct zip_member members[] = {member("app.db", &database),
                                         member("configs/x.conf", &conf)};
    const struct wireguard_making m = {members, 2, CREATED, "./inst"};
    bool done = false;
    int n = 0;

    for (; !done; n++) {
        struct failing f = {.left = n};
        const struct output to = {write_failing, patch_failing, &f};
        struct err e = {0};

        done = wireguard_zip_write(&m, &to, &e);
        CHECK(done == opens(buf_slice(&f.file), &(struct err){0}));
        CHECK(done || strstr(e.text, "no space left") != NULL);
        buf_done(&f.file);
    }
    ck_assert_int_gt(n, 10);
}
END

TEST(ten_thousand_entries_are_taken_and_one_more_is_not_written)
{
    AUTO(mem) struct zip_member *members = mem_array(ZIP_COUNT_MAX, sizeof(members[0]));
    AUTO(mem) char *names = mem_new((size_t)ZIP_COUNT_MAX * 32);
    AUTO(buf) struct buf file = {0};

    members[0] = member("app.db", &database);
    for (size_t i = 1; i < ZIP_COUNT_MAX; i++) {
        (void)snprintf(names + 32 * i, 32, "configs/client%05zu.conf", i);
        members[i] = member(names + 32 * i, &conf);
    }
    CHECK_OK(make(members, ZIP_COUNT_MAX - 1, &file, e)); /* and the metadata */
    CHECK_OK(opens(buf_slice(&file), e));
    CHECK_ERR(make(members, ZIP_COUNT_MAX, &file, e), ERR_USAGE);
}
END

TEST(names_are_those_of_the_application)
{
    static const char *const bad[] = {"",
                                      "wireguard_backup_.zip",
                                      "../wireguard_backup_20261120_205152.zip",
                                      "wireguard_backup_20261120_205152.ZIP",
                                      "wireguard_backup_20261320_205152.zip",
                                      "wireguard_backup_20261120_245152.zip",
                                      "wireguard_backup_20261120-205152.zip",
                                      "wireguard_backup_2026112O_205152.zip"};
    char text[WIREGUARD_FILE_MAX];
    int64_t time_ns;

    wireguard_name_format(CREATED, text);
    ck_assert_str_eq(text, "wireguard_backup_20261120_205152.zip");
    CHECK_OK(wireguard_name_parse(text, &time_ns, e));
    ck_assert_int_eq(time_ns, CREATED / NS_PER_S * NS_PER_S);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(wireguard_name_parse(bad[i], &time_ns, e), ERR_USAGE);
    CHECK_OK(wireguard_upload_check("My Backup.ZIP", e));
    CHECK_ERR(wireguard_upload_check("backup.tar", e), ERR_USAGE);
    CHECK_ERR(wireguard_upload_check(".zip", e), ERR_USAGE);
}
END

/* .conf files */

static bool parse(const char *text, struct wireguard_conf *out, struct err *e)
{
    return wireguard_conf_parse(slice_string(text), out, e);
}

TEST(commands_of_a_configuration_are_found_however_they_are_written)
{
    static const char text[] = "# a client\n[interface]\r\nAddress = 10.0.0.2/32\nPrivateKey=abc=\n"
                               "  postup\t=  iptables -A FORWARD; curl x # y\nPreDown = \n"
                               "Surprise = 1\n[PEER]\nPublicKey = p\nPostDown = rm -rf /\n[Peer]\n";
    AUTO(wireguard_conf) struct wireguard_conf c = {0};

    CHECK_OK(parse(text, &c, e));
    CHECK(c.interfaces == 1 && c.peers == 2);
    ck_assert_uint_eq(c.hook_count, 4);
    ck_assert_str_eq(c.hooks[0].key, "postup");
    ck_assert_str_eq(c.hooks[0].command, "iptables -A FORWARD; curl x # y");
    CHECK(c.hooks[0].line == 5 && c.hooks[0].is_command);
    CHECK(c.hooks[1].line == 6 && c.hooks[1].is_command);
    CHECK(!c.hooks[2].is_command && c.hooks[3].is_command && c.hooks[3].line == 10);
    ck_assert_str_eq(c.hooks[2].key, "Surprise");
}
END

TEST(lines_that_somebody_has_to_have_agreed_to_are_held_as_they_stand)
{
    static const char text[] = "[Interface]\nPrivateKey = a\nSaveConfig = true\nMTU = 1400\n"
                               "  postup\t=  x # y\r\nSurprise=1\n[Peer]\nPublicKey = p\n"
                               "PostDown = rm -rf /";
    AUTO(wireguard_conf) struct wireguard_conf c = {0};
    AUTO(wireguard_conf) struct wireguard_conf plain = {0};

    CHECK_OK(parse(text, &c, e));
    ck_assert_str_eq(buf_string(&c.held), "SaveConfig = true\n  postup\t=  x # y\r\nSurprise=1\n"
                                          "PostDown = rm -rf /\n");
    ck_assert_uint_eq(c.hook_count, 3);
    CHECK_OK(parse("[Interface]\nMTU = 1\n# PostUp = x\n[Peer]\n", &plain, e));
    CHECK(plain.held.size == 0);
}
END

TEST(what_is_no_configuration_is_refused)
{
    static const char *const bad[] = {
        "",
        "[Interface]\n",
        "[Peer]\n",
        "[Interface]\n[Interface]\n[Peer]\n",
        "[Interface]\n[Peer]\n[Other]\n",
        "[Interface]\nPrivateKey\n[Peer]\n",
        "[Interface]\n= x\n[Peer]\n",
        "PrivateKey = x\n[Interface]\n[Peer]\n",
        "[Interface]\nPostUp = a\x01\n[Peer]\n",
        "[Interface]\nPostUp = \xff\n[Peer]\n",
        "#[Interface]\n[Peer]\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(wireguard_conf) struct wireguard_conf c = {0};
        struct err e = {0};

        ck_assert_msg(!parse(bad[i], &c, &e), "%s", bad[i]);
        ck_assert_int_eq(e.code, ERR_CORRUPT);
    }
}
END

TEST(configurations_are_bounded)
{
    AUTO(buf) struct buf text = {0};
    AUTO(wireguard_conf) struct wireguard_conf c = {0};
    AUTO(wireguard_conf) struct wireguard_conf none = {0};

    buf_printf(&text, "[Interface]\n[Peer]\n");
    for (int i = 0; i < WIREGUARD_HOOKS_MAX; i++)
        buf_printf(&text, "PostUp = %0300d\n", i);
    CHECK_OK(parse(buf_string(&text), &c, e));
    ck_assert_uint_eq(strlen(c.hooks[99].command), WIREGUARD_HOOK_SHOWN - 1);
    buf_printf(&text, "PostUp = x\n");
    CHECK_ERR(parse(buf_string(&text), &none, e), ERR_CORRUPT);
    buf_clear(&text);
    buf_printf(&text, "[Interface]\n[Peer]\nDNS = %0*d\n", WIREGUARD_LINE_MAX, 1);
    CHECK_ERR(parse(buf_string(&text), &none, e), ERR_CORRUPT);
    buf_clear(&text);
    memset(buf_extend(&text, WIREGUARD_CONF_MAX + 1), '\n', WIREGUARD_CONF_MAX + 1);
    CHECK_ERR(parse(buf_string(&text), &none, e), ERR_CORRUPT);
}
END

TESTS("archive/wireguard", what_is_written_is_read_with_metadata_as_the_application_writes_it,
      no_changed_bit_and_no_cut_yields_other_content,
      each_kind_of_malformed_entry_is_refused_with_its_sentence,
      folders_times_and_owners_of_info_zip_are_taken, the_end_of_the_file_must_be_its_directory,
      bytes_of_no_entry_are_refused_in_front_between_and_behind,
      metadata_is_checked_in_the_applications_words,
      files_that_the_metadata_should_list_and_does_not_are_refused,
      sums_in_the_metadata_are_of_all_members_and_right, size_is_bounded_in_the_applications_words,
      what_a_reader_would_refuse_is_not_written,
      whichever_write_fails_the_failure_is_told_and_nobody_can_read_what_is_there,
      ten_thousand_entries_are_taken_and_one_more_is_not_written,
      names_are_those_of_the_application,
      commands_of_a_configuration_are_found_however_they_are_written,
      lines_that_somebody_has_to_have_agreed_to_are_held_as_they_stand,
      what_is_no_configuration_is_refused, configurations_are_bounded)
