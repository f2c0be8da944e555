/*
 * Snapshots of a gateway as its application's files: commands beside the service list them and make
 * the zip file, which goes to the client as it comes (service.h).
 */
#include <stdio.h>
#include <string.h>

#include "server/compat/gateway_private.h"

#define HEAD_MAX ((size_t)64 << 10)
#define LIST_MAX ((size_t)1 << 20)

struct reading {
    struct request *r;
    struct buf held;
    bool is_file;   /* begins with a line about what follows */
    bool has_begun; /* the head of the answer is on its way */
};

bool gateway_name_format(const char *time, char out[GATEWAY_NAME_SIZE])
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.";
    char t[15];
    size_t n = 0;

    for (size_t i = 0; form[i] != '\0'; i++) {
        const bool is_digit = time[i] >= '0' && time[i] <= '9';

        if (form[i] == 'd' ? !is_digit : time[i] != form[i])
            return false;
        if (is_digit)
            t[n++] = time[i];
    }
    if (time[strlen(time) - 1] != 'Z')
        return false;
    (void)snprintf(out, GATEWAY_NAME_SIZE, "wireguard_backup_%.8s_%.6s.zip", t,
                   t + 8); /* it fits */
    return true;
}

/* The line in front of the file says how it is called and how long it is. */
static bool begin(struct reading *g, struct err *e)
{
    const uint8_t *end = g->held.size == 0 ? NULL : memchr(g->held.data, '\n', g->held.size);
    AUTO(json)
    json_t *head =
        end == NULL ? NULL
                    : json_loadb((const char *)g->held.data, (size_t)(end - g->held.data), 0, NULL);
    const char *name = json_string_value(json_object_get(head, "name"));
    const json_int_t size = json_integer_value(json_object_get(head, "bytes"));
    AUTO(buf) struct buf where = {0};

    if (end == NULL)
        return g->held.size <= HEAD_MAX || err_set(e, ERR_CORRUPT, "it begins with no line");
    if (name == NULL || size <= 0)
        return err_set(e, ERR_CORRUPT, "it does not begin with a line about a file");
    buf_printf(&where, "attachment; filename=%s", name);
    reply_header(g->r, "Content-Disposition", buf_string(&where));
    g->has_begun = true;
    reply_stream(g->r, (uint64_t)size, "application/zip", NULL);
    return reply_stream_write(
        g->r, SLICE_OF(end + 1, g->held.size - (size_t)(end + 1 - g->held.data)), e);
}

static bool take(void *arg, struct slice bytes, struct err *e)
{
    struct reading *g = arg;

    if (g->has_begun)
        return reply_stream_write(g->r, bytes, e);
    buf_append_slice(&g->held, bytes);
    if (g->is_file)
        return begin(g, e);
    return g->held.size <= LIST_MAX || err_set(e, ERR_FATAL, "the list is too long");
}

static bool is_wanted(void *arg)
{
    const struct reading *g = arg;

    return !request_is_gone(g->r);
}

static bool read_with(struct reading *g, const char *verb, const json_t *arguments, struct err *e)
{
    const struct service *s = request_app(g->r);
    const struct service_reading q = {.verb = verb,
                                      .set = s->gateway_set,
                                      .who = request_principal(g->r)->id,
                                      .arguments = arguments,
                                      .take = take,
                                      .is_wanted = is_wanted,
                                      .arg = g};

    if (s->read_set == NULL)
        return err_set(e, ERR_AWAY, "no repository can be read here");
    return s->read_set(s->arg, &q, e);
}

/* An import is a snapshot of the set, but no backup of it. */
static bool is_import(const json_t *snapshot)
{
    const json_t *tag;
    size_t i;

    json_array_foreach(json_object_get(snapshot, "tags"), i, tag)
    {
        const char *text = json_string_value(tag);

        if (text != NULL && strncmp(text, "import:", strlen("import:")) == 0)
            return true;
    }
    return false;
}

static void add(json_t *list, const json_t *snapshot)
{
    const json_t *summary = json_object_get(snapshot, "summary");
    const char *time = json_string_value(json_object_get(snapshot, "time"));
    const char *id = json_string_value(json_object_get(snapshot, "id"));
    char name[GATEWAY_NAME_SIZE];

    if (id == NULL || time == NULL || is_import(snapshot) || !gateway_name_format(time, name))
        return;
    (void)json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:I}", "filename", name, "id", id, "time", time, "size",
                        json_integer_value(json_object_get(summary, "total_bytes_processed"))));
}

bool gateway_list(struct request *r, json_t **out, struct err *e)
{
    struct reading g = {.r = r};
    AUTO(json) json_t *arguments = json_pack("{s:[], s:i}", "words", "page", GATEWAY_LIST_MAX);
    const bool is_read = read_with(&g, "snapshots", arguments, e);
    AUTO(json)
    json_t *page = is_read ? json_loadb((const char *)g.held.data, g.held.size, 0, NULL) : NULL;
    const json_t *snapshots = json_object_get(page, "snapshots");
    const json_t *one;
    size_t i;

    buf_done(&g.held);
    if (!is_read)
        return false;
    if (!json_is_array(snapshots))
        return err_set(e, ERR_CORRUPT, "the list of snapshots is none");
    *out = json_array();
    json_array_foreach(snapshots, i, one)
    {
        add(*out, one);
    }
    return true;
}

static bool write_download(struct catalog_tx *t, void *arg, struct err *e)
{
    struct request *r = ((const struct reading *)arg)->r;
    const struct service *s = request_app(r);

    return auth_audit(t, r,
                      &(struct auth_record){.action = "restore.download",
                                            .object = s->gateway_set,
                                            .outcome = "begun",
                                            .details = json_pack("{s:s}", "path", request_path(r))},
                      e);
}

bool gateway_send(struct request *r, const char *snapshot, struct err *e)
{
    const struct service *s = request_app(r);
    struct reading g = {.r = r, .is_file = true};
    AUTO(json) json_t *arguments = json_pack("{s:[s]}", "words", snapshot);
    const bool is_read =
        catalog_write(s->catalog, write_download, &g, e) && read_with(&g, "export", arguments, e);

    buf_done(&g.held);
    if (is_read && g.has_begun) {
        reply_stream_end(r);
        return true;
    }
    if (is_read)
        return err_set(e, ERR_CORRUPT, "there was no file");
    /* Too late for another answer: it stays without its end, and the log says why. */
    if (g.has_begun && !request_is_gone(r))
        reply_log(r, e);
    return g.has_begun;
}
