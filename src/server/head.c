/*
 * What libmicrohttpd read, as it was sent.
 *
 * Version 0.9 parses a head in place and ends each part with NULs: both bytes of CRLF become NUL, a
 * lone LF becomes one, and what it skips stays in between.  So the head was strict if its parts lie
 * behind each other without a gap from the first byte to the last, and every line ends in two
 * NULs.  The length of the head comes from the library; nothing outside it is read.  A NUL in
 * front of a lone LF is the one thing that looks like CRLF, and ends the line where any reader
 * would. Version 1 refuses all that by itself when asked (http_server.c), and lays heads out
 * differently.
 */
#include <string.h>

#include "server/private.h"

struct walk {
    struct request *r;
    const char *next, *limit; /* where the next name must be, and the end of the head */
    bool is_strict;
};

/* Whether a part ends at end with the two NULs of CRLF; the next part is behind them. */
static bool take_end(struct walk *w, const char *end)
{
    if (w->limit - end < 2 || end[0] != '\0' || end[1] != '\0')
        return false;
    w->next = end + 2;
    return true;
}

static enum MHD_Result walk_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                  size_t name_size, const char *value, size_t value_size)
{
    struct walk *w = cls;
    struct request *r = w->r;
    struct guard_field *fields = (struct guard_field *)(uintptr_t)r->head.fields;
    size_t trimmed = value_size;

    (void)kind;
    if (value == NULL || r->head.count > GUARD_HEADERS_MAX) {
        w->is_strict = false;
        return MHD_NO;
    }
    if (MHD_get_version()[0] == '0') {
        const char *blank = name + name_size + 1;

        if (name != w->next || name_size >= (size_t)(w->limit - name)) {
            w->is_strict = false;
            return MHD_NO;
        }
        while (blank < value && blank < w->limit && (*blank == ' ' || *blank == '\t'))
            blank++;
        if (blank != value || !take_end(w, value + value_size)) {
            w->is_strict = false;
            return MHD_NO;
        }
    }
    while (trimmed > 0 && (value[trimmed - 1] == ' ' || value[trimmed - 1] == '\t'))
        trimmed--;
    fields[r->head.count].name =
        SLICE_OF(arena_string(&r->arena, SLICE_OF(name, name_size)), name_size);
    fields[r->head.count++].value =
        SLICE_OF(arena_string(&r->arena, SLICE_OF(value, trimmed)), trimmed);
    return MHD_YES;
}

bool head_read(struct request *r, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct walk w = {.r = r, .is_strict = true};

    r->head.method = SLICE_OF(arena_string(&r->arena, slice_string(method)), strlen(method));
    r->head.version = SLICE_OF(arena_string(&r->arena, slice_string(version)), strlen(version));
    r->head.target = slice_string(r->target);
    r->head.fields = arena_take(&r->arena, (GUARD_HEADERS_MAX + 1) * sizeof(struct guard_field));
    r->head.size = size == NULL ? SIZE_MAX : size->header_size;
    if (r->head.size > GUARD_HEAD_MAX)
        return true; /* which the guard refuses */
    w.limit = method + r->head.size;
    if (MHD_get_version()[0] == '0' && (r->raw_target != method + r->head.method.size + 1 ||
                                        version != r->raw_target + r->head.target.size + 1 ||
                                        !take_end(&w, version + r->head.version.size)))
        return false;
    (void)MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, walk_field, &w);
    if (r->head.count > GUARD_HEADERS_MAX)
        return true;
    /* Nothing but the empty line is left. */
    return w.is_strict && (MHD_get_version()[0] != '0' ||
                           (w.next + 2 == w.limit && w.next[0] == '\0' && w.next[1] == '\0'));
}
