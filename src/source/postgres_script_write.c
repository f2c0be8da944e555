/*
 * A stored database as one script of SQL: what the two files of definitions are as text, and
 * between them the data.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/postgres_blobs.h"
#include "source/postgres_definitions.h"
#include "source/postgres_tool.h"

#define HELD_MAX                                                                     \
    ((size_t)4096) /* the end of definitions, where pg_restore says that all is said \
                    */

struct script {
    const struct postgres_files *files;
    const struct postgres_manifest *manifest;
    postgres_script_fn *write;
    void *arg;
    struct buf held;
};

static void script_auto(struct script *s)
{
    buf_done(&s->held);
}

static bool put(const struct script *s, const struct buf *text, struct err *e)
{
    return s->write(s->arg, buf_slice(text), e);
}

/* Definitions */

static bool pass_on(void *arg, struct slice bytes, struct err *e)
{
    const struct script *s = arg;

    return s->write(s->arg, bytes, e);
}

/* All but the last bytes. */
static bool hold_back(void *arg, struct slice bytes, struct err *e)
{
    struct script *s = arg;

    buf_append_slice(&s->held, bytes);
    if (s->held.size <= HELD_MAX)
        return true;

    const size_t over = s->held.size - HELD_MAX;

    if (!s->write(s->arg, SLICE_OF(s->held.data, over), e))
        return false;
    memmove(s->held.data, s->held.data + over, HELD_MAX);
    s->held.size = HELD_MAX;
    return true;
}

/* Definitions are not the end of the script, and must not look like it when it is cut off there. */
static bool end_definitions(struct script *s, struct err *e)
{
    static const char said[] = "-- PostgreSQL database dump complete\n";
    const uint8_t *found = memmem(s->held.data, s->held.size, said, sizeof(said) - 1);

    if (found == NULL)
        return err_set(e, ERR_FATAL, "pg_restore did not end its text as it does");

    const size_t before = (size_t)(found - s->held.data);
    const size_t behind = before + sizeof(said) - 1;

    return s->write(s->arg, SLICE_OF(s->held.data, before), e) &&
           s->write(s->arg, SLICE_OF(s->held.data + behind, s->held.size - behind), e);
}

static bool put_definitions(const struct postgres_target *t, const char *program, const char *name,
                            postgres_output_fn *fn, struct script *s, struct err *e)
{
    AUTO(postgres_definitions) struct postgres_definitions d = POSTGRES_DEFINITIONS_NONE;

    if (!postgres_definitions_open(t, name, &d, e))
        return false;

    const char *const argv[] = {program,    "--no-owner", "--no-acl", "--no-tablespaces",
                                "--file=-", d.path,       NULL};
    const struct postgres_tool tool = {.argv = (char *const *)(uintptr_t)argv, .password_fd = -1};

    return postgres_tool_run(&tool, fn, s, e) || err_wrap(e, "%s", name);
}

/* Rows */

static uint64_t count_lines(struct slice bytes)
{
    uint64_t count = 0;

    for (const uint8_t *at = bytes.data, *end = bytes.data + bytes.size;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        count++;
    return count;
}

static bool put_rows(const struct script *s, const struct postgres_table *t, struct err *e)
{
    AUTO(postgres_file) struct postgres_file f = {0};
    AUTO(buf) struct buf piece = {0};
    AUTO(buf) struct buf text = {0};
    uint64_t rows = 0;
    uint8_t last = '\n';

    postgres_load_format(t, s->manifest->encoding, &text);
    buf_printf(&text, ";\n");
    if (!put(s, &text, e) || !postgres_file_open(&f, s->files, t->file, e))
        return false;
    for (;;) {
        buf_clear(&piece);
        if (!postgres_file_next(&f, &piece, e))
            return false;
        if (piece.size == 0)
            break;
        last = piece.data[piece.size - 1];
        rows += count_lines(buf_slice(&piece));
        if (!put(s, &piece, e))
            return false;
    }
    if (rows != t->rows || last != '\n')
        return err_set(e, ERR_CORRUPT,
                       "its file has %" PRIu64 " rows, and the manifest tells of %" PRIu64, rows,
                       t->rows);
    return s->write(s->arg, slice_string("\\.\n\n\n"), e);
}

static bool put_tables(const struct script *s, struct err *e)
{
    for (size_t i = 0; i < s->manifest->table_count; i++) {
        const struct postgres_table *t = &s->manifest->tables[i];

        if (t->file != NULL && !put_rows(s, t, e))
            return err_wrap(e, "table %s.%s", t->schema, t->name);
    }
    return true;
}

static bool put_sequences(const struct script *s, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    for (size_t i = 0; i < s->manifest->sequence_count; i++) {
        const struct postgres_sequence *q = &s->manifest->sequences[i];
        AUTO(buf) struct buf name = {0};

        postgres_table_quote(q->schema, q->name, &name);
        buf_printf(&text, "SELECT pg_catalog.setval(");
        postgres_text_quote(buf_string(&name), &text);
        buf_printf(&text, ", %" PRId64 ", %s);\n", q->last_value, q->is_called ? "true" : "false");
    }
    return put(s, &text, e);
}

/* Large objects */

static bool put_piece(void *arg, const struct postgres_blob_stored *b, uint64_t offset,
                      struct slice piece, struct err *e)
{
    const struct script *s = arg;
    AUTO(buf) struct buf text = {0};

    if (offset == 0)
        buf_printf(&text, "SELECT pg_catalog.lo_from_bytea(%s, '\\x", b->number);
    else
        buf_printf(&text, "SELECT pg_catalog.lo_put(%s, %" PRIu64 ", '\\x", b->number, offset);
    hex_encode(piece, (char *)buf_extend(&text, 2 * piece.size + 1));
    text.size--; /* the NUL */
    buf_printf(&text, "');\n");
    return put(s, &text, e);
}

static bool put_comment(void *arg, const struct postgres_blob_stored *b, struct err *e)
{
    const struct script *s = arg;
    AUTO(buf) struct buf text = {0};

    if (b->comment[0] == '\0')
        return true;
    buf_printf(&text, "COMMENT ON LARGE OBJECT %s IS ", b->number);
    postgres_text_quote(b->comment, &text);
    buf_printf(&text, ";\n");
    return put(s, &text, e);
}

static bool put_blobs(struct script *s, struct err *e)
{
    const struct postgres_blobs_visitor v = {s, put_piece, put_comment};

    return s->manifest->blobs.count == 0 ||
           postgres_blobs_read(s->files, s->manifest->blobs.count, &v, e) ||
           err_wrap(e, "large objects");
}

/* Names are UTF-8 in the manifest, and amounts of money are stored without a locale. */
static const char settings[] =
    "\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n"
    "SET lc_monetary = 'C';\n\n";

static bool put_all(const struct postgres_target *t, struct script *s, struct err *e)
{
    AUTO(mem) char *program = NULL;

    return postgres_program_find(t, &program, e) &&
           put_definitions(t, program, "pre-data.dump", hold_back, s, e) && end_definitions(s, e) &&
           s->write(s->arg, slice_string(settings), e) && put_tables(s, e) && put_blobs(s, e) &&
           put_sequences(s, e) && put_definitions(t, program, "post-data.dump", pass_on, s, e);
}

bool postgres_script_write(const struct postgres_files *files, const char *scratch,
                           postgres_script_fn *write, void *arg, struct postgres_stored *out,
                           struct err *e)
{
    const struct postgres_restore_options o = {.scratch = scratch};
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;
    AUTO(script)
    struct script s = {.files = files, .manifest = &t.manifest, .write = write, .arg = arg};

    t.o = &o;
    t.files = files;
    if (!postgres_stored_read(files, out, e) || !postgres_file_manifest(files, &t.manifest, e))
        return false;
    if (out->is_part)
        return err_set(e, ERR_USAGE, "the backup has only some schemas or tables of its database");
    return put_all(&t, &s, e);
}
