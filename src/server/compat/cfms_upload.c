/*
 * upload_file: frames of plain bytes; the first that is shorter than FRAME_MIN is the last.
 */
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/text.h"
#include "server/compat/cfms_private.h"

enum {
    FRAME_MIN = 8192,
    WAIT_MS = 60000,          /* for the next message */
    KEY_MAX = 65536,          /* bytes of a key file */
    EXCESS_MAX = 1024 * 1024, /* that is read of what is too long, so that the answer arrives */
};

struct upload {
    struct cfms_conn *conn;
    struct cfms_task task;
    int which;
    uint64_t size; /* that was announced */
    const char *sha256;
    json_t *document; /* owned: the announcement */
    uint64_t got;
    struct sha256_stream *sum;
    int folder;
    struct file_draft draft;
    struct err failure; /* of our disk; code ERR_NONE: none */
};

static void upload_auto(struct upload *u)
{
    json_decref(u->document);
    sha256_stream_free(u->sum);
    file_draft_auto(&u->draft);
    fd_auto(&u->folder);
}

static void say(struct cfms_conn *c, const char *text)
{
    cfms_conn_say(c, true, slice_string(text));
}

/* {"action": "transfer_file", "data": {"sha256"?, "file_size"}} */
static bool read_announcement(struct upload *u, struct slice text)
{
    struct cfms_request q = {0};
    const json_t *size;
    const json_t *sha256;
    uint8_t bytes[HASH_SIZE];

    if (!cfms_request_parse(text, &q))
        return false;
    u->document = q.document;
    size = json_object_get(q.data, "file_size");
    sha256 = json_object_get(q.data, "sha256");
    u->sha256 = json_string_value(sha256);
    u->size = (uint64_t)json_integer_value(size);
    return strcmp(q.action, "transfer_file") == 0 && json_is_integer(size) &&
           json_integer_value(size) >= 0 &&
           json_object_size(q.data) == 1 + (size_t)(sha256 != NULL) &&
           (sha256 == NULL || json_is_null(sha256) ||
            (u->sha256 != NULL && hex_decode(u->sha256, bytes, sizeof(bytes))));
}

static void store_bytes(struct upload *u, struct slice bytes)
{
    u->got += bytes.size;
    if (u->got > u->size || u->failure.code != ERR_NONE)
        return; /* it is refused at its end */
    sha256_stream_add(u->sum, bytes);
    (void)!fd_write(u->draft.fd, bytes, &u->failure); /* told at its end */
}

/* False: nobody is there any more, or the connection is to end. */
static bool take_frames(struct upload *u)
{
    AUTO(buf) struct buf frame = {0};
    bool is_text;

    do {
        buf_clear(&frame);
        if (!cfms_conn_take(u->conn, WAIT_MS, &is_text, &frame))
            return false;
        if (is_text || u->got > u->size + EXCESS_MAX) {
            cfms_conn_end(u->conn, CFMS_POLICY);
            return false;
        }
        store_bytes(u, buf_slice(&frame));
    } while (frame.size >= FRAME_MIN);
    return true;
}

static void answer_end(struct upload *u)
{
    AUTO(buf) struct buf text = {0};
    char sum[2 * HASH_SIZE + 1];
    struct hash h;
    struct err e = u->failure;

    sha256_stream_finish(u->sum, &h);
    hex_encode(SLICE_OF(h.bytes, HASH_SIZE), sum);
    if (u->got != u->size) {
        buf_printf(&text, "File size mismatch: expected %llu, got %llu",
                   (unsigned long long)u->size, (unsigned long long)u->got);
        cfms_conn_answer(u->conn, 400, NULL, buf_string(&text));
    } else if (u->sha256 != NULL && strcasecmp(u->sha256, sum) != 0) {
        buf_printf(&text, "SHA256 mismatch: expected %s, got %s", u->sha256, sum);
        cfms_conn_answer(u->conn, 400, NULL, buf_string(&text));
    } else if (e.code != ERR_NONE || !fd_sync(u->draft.fd, "an upload", &e) ||
               !file_draft_link(&u->draft, u->folder,
                                u->which == 0 ? CFMS_TASK_ARCHIVE : CFMS_TASK_KEY, &e) ||
               !dir_sync(u->folder, "an upload", &e)) {
        cfms_conn_fail(u->conn, &e);
    } else {
        cfms_conn_answer(u->conn, 200, NULL, "File received successfully");
    }
}

static void transfer(struct upload *u)
{
    struct cfms *all = cfms_conn_cfms(u->conn);
    const uint64_t limit = u->which == 0 ? all->options.upload_max : KEY_MAX;
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf path = {0};
    struct err e = {0};
    bool is_text;

    say(u->conn, "{\"action\": \"transfer_file\", \"data\": {}, \"message\": \"waiting for file "
                 "transfer\"}");
    if (!cfms_conn_take(u->conn, WAIT_MS, &is_text, &text))
        return;
    if (!is_text || text.size > CFMS_REQUEST_MAX || !read_announcement(u, buf_slice(&text))) {
        cfms_conn_answer(u->conn, 400, NULL, "Invalid request for file transfer");
        return;
    }
    if (u->size == 0) {
        say(u->conn, "stop");
        return;
    }
    if (u->size > limit) {
        cfms_conn_answer(u->conn, 400, NULL, "File is too large");
        return;
    }
    buf_printf(&path, "%s/%s", all->folder, u->task.id);
    if (!dir_open(buf_string(&path), &u->folder, &e) ||
        !file_draft_open(u->folder, u->which == 0 ? ".new-archive" : ".new-key", &u->draft, &e)) {
        cfms_conn_fail(u->conn, &e);
        return;
    }
    say(u->conn, "ready");
    if (take_frames(u))
        answer_end(u);
}

void cfms_upload(struct cfms_conn *c, const struct cfms_request *q, const struct cfms_asker *who)
{
    AUTO(upload)
    struct upload u = {
        .conn = c, .folder = -1, .draft = FILE_DRAFT_NONE, .sum = sha256_stream_new()};

    (void)who; /* whoever knows the id */
    switch (cfms_upload_begin(cfms_conn_cfms(c),
                              json_string_value(json_object_get(q->data, "task_id")), &u.task,
                              &u.which)) {
    case CFMS_UPLOAD_NONE:
        cfms_conn_answer(c, 404, NULL, "Task not found");
        return;
    case CFMS_UPLOAD_WRONG:
        cfms_conn_answer(c, 400, NULL, "Task is not in a valid state for upload");
        return;
    case CFMS_UPLOAD_OVER:
        cfms_conn_answer(c, 400, NULL, "Task is either not started yet or has already ended");
        return;
    case CFMS_UPLOAD_YES:
        break;
    }
    cfms_conn_know(c);
    transfer(&u);
    cfms_upload_end(cfms_conn_cfms(c), u.task.id, u.which);
}
