/*
 * Reading: open, then attributes and the first bytes at once, then the rest with many reads
 * under way.  A small object takes two exchanges with the server.
 */
#include <string.h>

#include "base/mem.h"
#include "store/sftp_session.h"

/* Reads that bring less than was asked for, in one object, before the server is given up. */
enum { SHORT_MAX = 1000 };

/* Reads under way, oldest first. */
struct reading {
    struct sftp_session *session;
    struct slice handle;
    struct sftp_request requests[SFTP_WINDOW];
    size_t first, count;
    size_t short_count;
};

static void reading_auto(struct reading *r)
{
    sftp_call_auto(&r->session->call); /* what is under way has its place here */
    for (size_t i = 0; i < SFTP_WINDOW; i++)
        sftp_request_auto(&r->requests[i]);
}

static bool ask_read(struct sftp_session *s, struct slice handle, uint64_t offset,
                     struct sftp_request *r, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    sftp_handle_packet(SFTP_READ, handle, &packet);
    packet_put_u64(&packet, offset);
    packet_put_u32(&packet, (uint32_t)r->room);
    return sftp_send(s, r, &packet, e);
}

static bool is_shorter(struct err *e)
{
    return err_set(e, ERR_CORRUPT, "it is shorter than expected");
}

/* Wait for the oldest read.  What it lacks is asked for again: at_offset is where it began. */
static bool finish_read(struct reading *g, struct sftp_request *r, uint64_t at_offset,
                        struct err *e)
{
    if (!sftp_wait(&g->session->call, r, e))
        return false;
    for (;;) {
        if (sftp_answered(r, SFTP_EOF))
            return is_shorter(e);
        if (!sftp_expect(r, SFTP_DATA, e))
            return false;
        if (r->got == r->room)
            return true;
        if (++g->short_count > SHORT_MAX)
            return err_set(e, ERR_FATAL, "the server sends too few bytes at once");
        at_offset += r->got;
        r->to += r->got;
        r->room -= r->got;
        if (!ask_read(g->session, g->handle, at_offset, r, e) ||
            !sftp_wait(&g->session->call, r, e))
            return false;
    }
}

/* Read size bytes, all of which are there. */
static bool read_all(struct reading *g, uint64_t offset, uint8_t *to, size_t size, struct err *e)
{
    const size_t step = sftp_link_abilities(g->session->call.link)->read_size;
    const size_t depth =
        SFTP_WINDOW_BYTES / step < SFTP_WINDOW ? SFTP_WINDOW_BYTES / step : SFTP_WINDOW;
    size_t asked = 0;
    size_t got = 0;

    while (got < size) {
        if (asked < size && g->count < depth) {
            struct sftp_request *r = &g->requests[(g->first + g->count++) % SFTP_WINDOW];

            r->to = to + asked;
            r->room = size - asked < step ? size - asked : step;
            if (!ask_read(g->session, g->handle, offset + asked, r, e))
                return false;
            asked += r->room;
            continue;
        }

        struct sftp_request *oldest = &g->requests[g->first];
        const size_t wanted = oldest->room;

        if (!finish_read(g, oldest, offset + got, e))
            return false;
        g->first = (g->first + 1) % SFTP_WINDOW;
        g->count--;
        got += wanted;
    }
    return true;
}

/* How many bytes of a file with these attributes a get() asks for. */
static bool size_wanted(const struct sftp_attributes *a, uint64_t offset, size_t *size,
                        struct err *e)
{
    if (!sftp_are_whole(a, e))
        return false;
    if (!sftp_is_file(a))
        return err_set(e, ERR_NOT_FOUND, "it is no file");
    if (*size == STORE_WHOLE && a->size > STORE_OBJECT_MAX)
        return err_set(e, ERR_CORRUPT, "it is longer than any object may be");
    if (offset > a->size || (*size != STORE_WHOLE && *size > a->size - offset))
        return is_shorter(e);
    if (*size == STORE_WHOLE)
        *size = (size_t)(a->size - offset);
    return *size <= STORE_OBJECT_MAX || err_set(e, ERR_CORRUPT, "too much of it was asked for");
}

/* Bytes that are asked for before the size is known. */
static size_t first_size(const struct reading *g, uint64_t offset, size_t size)
{
    const size_t step = sftp_link_abilities(g->session->call.link)->read_size;

    if (size != STORE_WHOLE && (size > STORE_OBJECT_MAX || offset > STORE_OBJECT_MAX))
        return 0; /* refused once it is known whether the object is there */
    return size < step ? size : step;
}

/* Ask for attributes and the first bytes, which *out is lengthened by, and wait for both. */
static bool read_first(struct reading *g, uint64_t offset, struct sftp_request *described,
                       struct sftp_request *first, struct err *e)
{
    AUTO(buf) struct buf packet = {0};

    sftp_handle_packet(SFTP_FSTAT, g->handle, &packet);
    return sftp_send(g->session, described, &packet, e) &&
           (first->room == 0 || ask_read(g->session, g->handle, offset, first, e)) &&
           sftp_wait(&g->session->call, described, e) &&
           (first->room == 0 || sftp_wait(&g->session->call, first, e));
}

/* Append to *out, whose size is put right by the caller when this fails. */
static bool read_object(struct reading *g, uint64_t offset, size_t size, struct buf *out,
                        struct err *e)
{
    AUTO(sftp_request) struct sftp_request described = {0};
    AUTO(sftp_request) struct sftp_request first = {.room = first_size(g, offset, size)};
    const size_t before = out->size;

    first.to = buf_extend(out, first.room);
    if (!read_first(g, offset, &described, &first, e) || !sftp_expect(&described, SFTP_ATTRS, e) ||
        !size_wanted(&described.reply.attributes, offset, &size, e))
        return false;

    /* An object that is shorter than what was asked for has no first bytes, or fewer. */
    const size_t got = first.got < size ? first.got : size;

    out->size = before + got;
    return read_all(g, offset + got, buf_extend(out, size - got), size - got, e);
}

bool sftp_get(struct store *store, const char *key, uint64_t offset, size_t size, struct buf *out,
              struct err *e)
{
    AUTO(mem) char *path = sftp_path((struct sftp *)store, key);
    AUTO(sftp_request) struct sftp_request opened = {0};
    AUTO(sftp_session) struct sftp_session s = {0};

    if (!sftp_session_begin(&s, (struct sftp *)store, e) ||
        !sftp_ask_open(&s, &opened, path, SFTP_OPEN_READ, e) || !sftp_wait(&s.call, &opened, e))
        return err_wrap(e, "object %s", key);
    if (sftp_answered(&opened, SFTP_NO_SUCH_FILE))
        return err_set(e, ERR_NOT_FOUND, "no object %s", key);
    if (!sftp_expect(&opened, SFTP_HANDLE, e))
        return err_wrap(e, "open %s", key);

    AUTO(reading) struct reading g = {.session = &s, .handle = opened.reply.handle};
    const size_t before = out->size;
    const bool ok = read_object(&g, offset, size, out, e);

    sftp_close_later(&s, g.handle);
    if (!ok) {
        out->size = before;
        return err_wrap(e, "object %s", key);
    }
    return true;
}
