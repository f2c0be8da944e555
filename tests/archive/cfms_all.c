/*
 * Archives of CFMS for the tests in Python, which make and read them with other people's code.
 *
 *   read ARCHIVE KEYFILE       what is in it, one line each; also without a MAC
 *   conf ARCHIVE KEY           the same of a backup of later servers
 *   write ARCHIVE KEYFILE SIZE one document, one folder, a content of so many bytes of 'x'
 *   cfms KEYFILE, conf-all KEY the same as the first two for many archives from standard input,
 *                              each behind its size in four bytes; one line each
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/cfms_conf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cfms_fixture.h"

#define INPUT_MAX ((uint32_t)64 << 20)

static bool is_quiet; /* only the last line counts */

static bool show_document(void *arg, const struct cfms_document *d, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("document\t%s\t%s\t%s\t%.17g\t%zu\t%zu\n", d->id, d->title,
                     d->folder_id ? d->folder_id : "-", d->created_time, d->rule_count,
                     d->revision_count);
    return true;
}

static bool show_folder(void *arg, const struct cfms_folder *f, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("folder\t%s\t%s\t%s\n", f->id, f->name, f->parent_id ? f->parent_id : "-");
    return true;
}

static bool show_file(void *arg, const struct cfms_file *f, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("file\t%s\t%s\t%d\n", f->id, f->path, f->is_active);
    return true;
}

static bool show_content(void *arg, const char *id, uint64_t size, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("content\t%s\t%" PRIu64 "\n", id, size);
    return true;
}

static bool show_bytes(void *arg, struct slice bytes, struct err *e)
{
    (void)arg;
    (void)bytes;
    (void)e;
    return true;
}

static bool show_content_end(void *arg, const char *id, const struct hash *sum, struct err *e)
{
    char digits[2 * HASH_SIZE + 1];

    (void)arg;
    (void)e;
    hex_encode(SLICE_OF(sum->bytes, HASH_SIZE), digits);
    if (!is_quiet)
        (void)printf("sum\t%s\t%s\n", id, digits);
    return true;
}

static bool show_missing(void *arg, const char *id, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("missing\t%s\n", id);
    return true;
}

static const struct cfms_visitor visitor = {
    NULL,         show_document, show_folder,      show_file,
    show_content, show_bytes,    show_content_end, show_missing};

static bool show_manifest(void *arg, const struct cfms_conf_manifest *m, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("manifest\t%zu\t%zu\t%zu\t%zu\n", m->table_count, m->file_count,
                     json_array_size(m->components), json_object_size(m->configuration));
    return true;
}

static bool show_row(void *arg, const struct cfms_conf_table *t, const json_t *row, struct err *e)
{
    (void)arg;
    (void)e;
    if (!is_quiet)
        (void)printf("row\t%s\t%zu\n", t->name, json_object_size(row));
    return true;
}

static bool show_conf_content(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    return show_content(arg, f->id, f->size, e);
}

static bool show_conf_end(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    return show_content_end(arg, f->storage_path, &f->sha256, e);
}

static const struct cfms_conf_visitor conf_visitor = {
    NULL, show_manifest, show_row, show_conf_content, show_bytes, show_conf_end};

static bool say_err(const struct err *e)
{
    (void)printf("error\t%d\t%s\n", (int)e->code, e->text);
    return false;
}

static bool read_one(const struct cfms_source *s, const struct cfms_key *key)
{
    const struct cfms_permission permission = {true, CFMS_BYTES_MAX};
    struct cfms_result r = {0};
    struct err e = {0};

    if (!cfms_read(s, key, &permission, &visitor, &r, &e))
        return say_err(&e);
    (void)printf("ok\t%d\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
                 "\t%" PRIu64 "\t%" PRIu64 "\n",
                 r.is_authenticated, r.documents, r.folders, r.files, r.contents, r.missing,
                 r.unchecked, r.strays, r.others);
    return true;
}

static bool conf_one(const struct cfms_source *s, const char *text)
{
    uint8_t key[CFMS_KEY_SIZE];
    struct cfms_conf_header h;
    struct err e = {0};

    if (!cfms_conf_key_parse(text, key, &e) || !cfms_conf_header_read(s, &h, &e) ||
        !cfms_conf_read(s, key, CFMS_BYTES_MAX, &conf_visitor, &e))
        return say_err(&e);
    (void)printf("ok\t%s\t%s\n", h.created_at, h.core_version);
    return true;
}

static bool read_fd(void *arg, uint64_t offset, uint8_t *to, size_t room, size_t *got,
                    struct err *e)
{
    return fd_read_at(*(const int *)arg, offset, to, room, got, e);
}

static void must(bool ok, const struct err *e)
{
    if (ok)
        return;
    (void)fprintf(stderr, "%s\n", e->text);
    exit(EXIT_FAILURE);
}

static void load_key(const char *path, struct cfms_key *key)
{
    AUTO(buf) struct buf text = {0};
    struct err e = {0};

    must(file_read(path, CFMS_KEY_TEXT_MAX, &text, &e) && cfms_key_parse(buf_slice(&text), key, &e),
         &e);
}

static bool read_path(const char *path, const struct cfms_key *key, const char *conf)
{
    AUTO(fd) int fd = -1;
    struct err e = {0};
    struct stat st;

    must(file_open(path, &fd, &e) && (fstat(fd, &st) == 0 || err_sys(&e, "%s", path)), &e);

    const struct cfms_source s = {read_fd, &fd, (uint64_t)st.st_size};

    return key != NULL ? read_one(&s, key) : conf_one(&s, conf);
}

static void read_many(const struct cfms_key *key, const char *conf)
{
    uint32_t size;

    is_quiet = true;
    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        AUTO(mem) uint8_t *bytes = mem_new(size < INPUT_MAX ? size : 0);
        struct slice in = {bytes, size};
        const struct cfms_source s = {fixture_read, &in, size};

        if (size >= INPUT_MAX || fread(bytes, 1, size, stdin) != size)
            exit(EXIT_FAILURE);
        (void)(key != NULL ? read_one(&s, key) : conf_one(&s, conf));
        (void)fflush(stdout);
    }
}

/* Writing */

static bool put_fd(void *arg, struct slice bytes, struct err *e)
{
    return fd_write(*(const int *)arg, bytes, e);
}

static bool rows_of_documents(void *arg, struct cfms_rows *to, struct err *e)
{
    const struct cfms_rule rule = {3, "read", arg};
    const struct cfms_revision revision = {9, "hello", "init", 1795207798.5};
    const struct cfms_document d = {.id = "hello",
                                    .title =
                                        "Gr\u00fc\u00dfe \"\\\b\f\n\r\t\x1f\x7f/\u2028\U0001f600",
                                    .created_time = 1795207797.0568895,
                                    .rules = &rule,
                                    .rule_count = 1,
                                    .revisions = &revision,
                                    .revision_count = 1};
    const struct cfms_document empty = {.id = "x", .title = "", .folder_id = "top"};

    return cfms_rows_document(to, &d, e) && cfms_rows_document(to, &empty, e);
}

static bool rows_of_folders(void *arg, struct cfms_rows *to, struct err *e)
{
    (void)arg;
    (void)to;
    (void)e;
    return true; /* none */
}

static bool rows_of_files(void *arg, struct cfms_rows *to, struct err *e)
{
    const struct cfms_file f = {"init", "./content/hello", 1e-5, arg, true};

    return cfms_rows_file(to, &f, e);
}

static bool write_content(struct cfms_writer *w, uint64_t size, struct hash *sum, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = sha256_stream_new();
    static uint8_t piece[1 << 20];

    memset(piece, 'x', sizeof(piece));
    if (!cfms_writer_content(w, "init", size, e))
        return false;
    for (uint64_t n; size > 0; size -= n) {
        n = size < sizeof(piece) ? size : sizeof(piece);
        sha256_stream_add(s, SLICE_OF(piece, n));
        if (!cfms_writer_bytes(w, SLICE_OF(piece, n), e))
            return false;
    }
    sha256_stream_finish(s, sum);
    return true;
}

static void write_one(const char *path, const char *key_path, uint64_t size)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    AUTO(fd) int key_fd = open(key_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    AUTO(cfms_writer) struct cfms_writer *w = NULL;
    AUTO(cfms_key) struct cfms_key key = {0};
    AUTO(buf) struct buf text = {0};
    const struct cfms_writer_options o = {"Sicherung \u00e4", 1795207798.0567257, put_fd, &fd};
    json_t *rule = json_loads("{\"match\": \"all\", \"match_groups\": [{\"rights\": {}, \"n\": [1, "
                              "2.50, -0.0, null, true, [], 1e300, 12345678901234]}]}",
                              0, NULL);
    struct hash sum;
    struct err e = {0};

    must(cfms_writer_open(&o, &w, &e) && cfms_writer_documents(w, rows_of_documents, rule, &e) &&
             write_content(w, size, &sum, &e) && cfms_writer_files(w, rows_of_files, &sum, &e) &&
             cfms_writer_folders(w, rows_of_folders, NULL, &e) && cfms_writer_finish(w, &key, &e),
         &e);
    cfms_key_format(&key, &text);
    must(fd_write(key_fd, buf_slice(&text), &e), &e);
    json_decref(rule);
}

int main(int argc, char **argv)
{
    AUTO(cfms_key) struct cfms_key key = {0};
    const char *what = argc > 2 ? argv[1] : "";
    struct err e = {0};
    uint64_t size;

    if (strcmp(what, "read") == 0 && argc == 4) {
        load_key(argv[3], &key);
        return read_path(argv[2], &key, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (strcmp(what, "conf") == 0 && argc == 4)
        return read_path(argv[2], NULL, argv[3]) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (strcmp(what, "write") == 0 && argc == 5) {
        must(parse_u64(argv[4], &size, &e), &e);
        write_one(argv[2], argv[3], size);
    } else if (strcmp(what, "cfms") == 0) {
        load_key(argv[2], &key);
        read_many(&key, NULL);
    } else if (strcmp(what, "conf-all") == 0) {
        read_many(NULL, argv[2]);
    } else {
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
