/*
 * Content of snapshots as people look at it: a picture, the beginning of a text, rows of a table.
 *
 * What a browser may take for anything but what it is never leaves here as that: pictures are of
 * four kinds, told by their first bytes, all else is a text or nothing, and the answer is an
 * attachment of a closed type in a sandbox, wherever it is opened.
 */
#include <string.h>

#include "base/text.h"
#include "server/api_private.h"
#include "server/look.h"

#define TEXT_MAX  ((size_t)64 << 10)
#define IMAGE_MAX ((size_t)4 << 20) /* held in memory, twice, by few requests at a time */
#define MAGIC_MAX 12                /* bytes that tell the kind of a picture */
#define ROWS_MAX  1000000000

static bool begins(struct slice s, size_t at, const char *with, size_t size)
{
    return s.size >= at + size && memcmp(s.data + at, with, size) == 0;
}

/* The media type of a picture that browsers show; NULL: it is none. */
static const char *image_type(struct slice s)
{
    if (begins(s, 0, "\x89PNG\r\n\x1a\n", 8))
        return "image/png";
    if (begins(s, 0, "\xff\xd8\xff", 3))
        return "image/jpeg";
    if (begins(s, 0, "GIF87a", 6) || begins(s, 0, "GIF89a", 6))
        return "image/gif";
    return begins(s, 0, "RIFF", 4) && begins(s, 8, "WEBP", 4) ? "image/webp" : NULL;
}

static uint64_t stored_size(const struct looking *l)
{
    return (uint64_t)json_integer_value(json_object_get(l->head, "size"));
}

/* Of a picture all, unless it is too large; of all else what is looked at. */
static size_t preview_most(const struct looking *l)
{
    if (l->held.size < MAGIC_MAX)
        return MAGIC_MAX;
    if (image_type(buf_slice(&l->held)) == NULL)
        return TEXT_MAX;
    return stored_size(l) <= IMAGE_MAX ? IMAGE_MAX + 1 : MAGIC_MAX;
}

/* How much of it is a text without a cut character at its end; 0: it is none. */
static size_t text_size(struct slice s, bool is_cut)
{
    size_t size = s.size;

    for (size_t i = 0; i < s.size; i++)
        if (s.data[i] < ' ' && memchr("\t\n\v\f\r\x1b", s.data[i], 6) == NULL)
            return 0;
    for (int i = 0; is_cut && i < 3 && size > 0 && !utf8_is_valid(SLICE_OF(s.data, size)); i++)
        size--;
    return utf8_is_valid(SLICE_OF(s.data, size)) ? size : 0;
}

static void reply_preview(struct looking *l)
{
    struct slice s = buf_slice(&l->held);
    const char *type = image_type(s);

    if (json_object_get(l->head, "size") == NULL) {
        reply_problem(l->r, 415, "no_preview", "it is a directory");
        return;
    }
    if (type != NULL && stored_size(l) > IMAGE_MAX) {
        reply_problem(l->r, 413, "too_large", "pictures of more than 4 MiB are not shown");
        return;
    }
    if (type == NULL) {
        if (s.size > TEXT_MAX)
            s.size = TEXT_MAX;
        s.size = text_size(s, s.size < stored_size(l));
        type = "text/plain; charset=utf-8";
    }
    if (s.size == 0 && stored_size(l) > 0) {
        reply_problem(l->r, 415, "no_preview", "it is neither a text nor a picture that is shown");
        return;
    }
    reply_header(l->r, "Content-Security-Policy", "sandbox; default-src 'none'");
    reply_header(l->r, "Content-Disposition", "attachment");
    reply_bytes(l->r, 200, type, s);
}

static void get_preview(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "dump", NULL);

    l.is_download = true;
    l.most = preview_most;
    (void)json_object_set_new(l.arguments, "head", json_true()); /* cannot fail */
    if (look_snapshot(&l) && look_path(&l, NULL) && look_text(&l, "repository") &&
        look_record(&l, "restore.preview") && look_read(&l))
        reply_preview(&l);
}

static bool take_rows(struct looking *l)
{
    const char *rows = request_query(l->r, "rows");
    uint64_t n = 0;
    struct err e;

    if (rows != NULL && (!parse_u64(rows, &n, &e) || n < 1 || n > ROWS_MAX))
        return look_refuse(l->r, "rows", "must be 1 to 1000000000");
    if (rows != NULL)
        (void)json_object_set_new(l->arguments, "rows",
                                  json_integer((json_int_t)n)); /* cannot fail */
    return true;
}

static void get_rows(struct request *r)
{
    const char *format = request_query(r, "format");
    const bool is_json = format != NULL && strcmp(format, "json") == 0;
    AUTO(looking) struct looking l = look_new(r, "dump", is_json ? LOOK_NDJSON : "text/csv");

    if (!is_json && (format == NULL || strcmp(format, "csv") != 0)) {
        (void)look_refuse(r, "format", "must be csv or json"); /* it is answered */
        return;
    }
    l.is_download = true;
    l.suffix = is_json ? ".jsonl" : ".csv";
    (void)json_object_set_new(l.arguments, "head", json_true());       /* cannot fail */
    (void)json_object_set_new(l.arguments, "as", json_string(format)); /* cannot fail */
    if (look_snapshot(&l) && look_path(&l, NULL) && take_rows(&l) && look_text(&l, "table") &&
        look_text(&l, "repository") && look_record(&l, "restore.download"))
        look_answer(&l);
}

const struct route api_preview_routes[] = {
    {METHOD_GET, API_SNAPSHOT "/preview", API_RESTORE, ROUTE_NO_HEAD | ROUTE_STEP_UP,
     .handler = get_preview, .summary = "A picture of a snapshot, or the beginning of a text"},
    {METHOD_GET, API_SNAPSHOT "/rows", API_RESTORE, ROUTE_NO_HEAD | ROUTE_STEP_UP,
     .handler = get_rows, .summary = "Rows of a table of a snapshot, as CSV or JSON"},
};
const size_t api_preview_route_count = sizeof(api_preview_routes) / sizeof(api_preview_routes[0]);
