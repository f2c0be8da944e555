#include <string.h>
#include <unistd.h>

#include "archive/bundle.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/render.h"
#include "store/store.h"

#define DEFAULT_URL "http://localhost:8787/backup"

enum {
    STALL_MS = 60000, /* a service that is busy with the disk answers later */
    REPLY_MAX = 64 << 10,
    SAID_MAX = 200, /* of what somebody else says, in a sentence */
};

struct push_args {
    struct common common;
    char *url, *token_file, *ca_file;
    bool any;
};

#define AT(member) offsetof(struct push_args, member)

static const struct option push_options[] = {
    {"url", 0, OPTION_TEXT, AT(url), "URL", "Push to URL instead of " DEFAULT_URL,
     "HOLDFAST_PUSH_URL", NULL, NULL},
    {"token-file", 0, OPTION_TEXT, AT(token_file), "FILE", "Show the token in FILE to the service",
     "HOLDFAST_PUSH_TOKEN_FILE", NULL, NULL},
    {"ca-file", 0, OPTION_TEXT, AT(ca_file), "FILE",
     "Trust the certificates in FILE instead of the system's", NULL, NULL, NULL},
    {"any", 0, OPTION_FLAG, AT(any), NULL, "Push any JSON, also what has not the form of a bundle",
     NULL, NULL, NULL},
    {0},
};

/* The document, from a file or standard input. */
static bool read_bundle(const struct push_args *args, struct buf *bytes, struct bundle *b,
                        struct err *e)
{
    const char *path = args->common.words.count > 0 ? args->common.words.items[0] : "-";
    AUTO(fd) int opened = -1;
    const bool is_input = strcmp(path, "-") == 0;
    size_t got = 0;

    if (!is_input && !file_open(path, &opened, e))
        return false;
    if (!fd_read(is_input ? STDIN_FILENO : opened, buf_extend(bytes, BUNDLE_SIZE_MAX + 1),
                 BUNDLE_SIZE_MAX + 1, &got, e))
        return err_wrap(e, "%s", path);
    bytes->size = got;
    if (bundle_read(buf_slice(bytes), b, e) && (args->any || bundle_require_form(&b->facts, e)))
        return true;
    e->code = ERR_USAGE; /* it is the caller's, not something of the repository */
    return err_wrap(e, "%s", is_input ? "standard input" : path);
}

/* What the service says of a failure: the member "error" of its reply. */
static void said(const struct http_reply *r, char out[SAID_MAX])
{
    AUTO(json)
    json_t *j = json_loadb((const char *)r->failure.data, r->failure.size, 0, NULL);
    const char *text = json_string_value(json_object_get(j, "error"));

    text_flatten(slice_string(text == NULL ? "" : text), out, SAID_MAX);
}

static enum err_code code_of(int status)
{
    if (status == 408 || status == 429 || status == 503)
        return ERR_TRANSIENT;
    if (status == 401 || status == 403)
        return ERR_DENIED;
    return status >= 400 && status < 500 ? ERR_USAGE : ERR_FATAL;
}

static bool refused(struct call *call, const struct http_reply *r, struct err *e)
{
    const enum err_code code = code_of(r->status);
    char text[SAID_MAX];

    said(r, text);
    if (code == ERR_DENIED)
        call->stage = STAGE_UNLOCK; /* the token is wrong */
    return err_set(e, code, "backup failed with status %d%s%s", r->status,
                   text[0] == '\0' ? "" : ": ", text);
}

/* What the reply says, as far as it is a reply of such a service. */
static void tell(struct call *call, const struct bundle *b, size_t size, int status,
                 struct slice body)
{
    AUTO(json) json_t *j = json_loadb((const char *)body.data, body.size, 0, NULL);
    const char *name = json_string_value(json_object_get(j, "filename"));
    char text[SAID_MAX];

    text_flatten(slice_string(name == NULL ? "" : name), text, sizeof(text));
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_u64(line, "status", (uint64_t)status);
        json_set(line, "filename", name == NULL ? json_null() : json_from_text(text));
        json_set_u64(line, "bytes_sent", size);
        json_set_u64(line, "stored_size", b->facts.indented_size);
        json_set_text(line, "kind", bundle_kind_name(b->facts.kind));
        output_json(call->out, line);
    }
    output_note(call->out, "Backup saved%s%s", name == NULL ? "" : " as ", text);
}

static bool run_push(struct call *call, struct err *e)
{
    struct push_args args = *(const struct push_args *)call->args;
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf body = {0};
    AUTO(mem_secret) char *token = NULL;
    AUTO(http) struct http *h = NULL;
    AUTO(http_reply) struct http_reply reply = {.body = &body};
    const char *headers[] = {"Content-Type: application/json", NULL};

    call->stage = STAGE_SECRET; /* what follows is a matter of arguments */
    args.url = args.url == NULL ? arena_string(&call->arena, slice_string(DEFAULT_URL)) : args.url;
    if (!remote_check_url("--url", args.url, args.token_file != NULL, e) ||
        !remote_token_header(args.token_file, &token, e) || !read_bundle(&args, &bytes, &b, e))
        return false;
    headers[1] = token;
    call->stage = STAGE_WORK;
    h = http_new(
        &(struct http_settings){.connections = 1, .stall_ms = STALL_MS, .ca_file = args.ca_file});

    const struct http_request request = {.method = "POST",
                                         .url = args.url,
                                         .headers = headers,
                                         .header_count = token == NULL ? 1 : 2,
                                         .body = buf_slice(&bytes),
                                         .reply_max = REPLY_MAX};

    if (!http_send(h, &request, &reply, e))
        return err_wrap(e, "push");
    if (reply.status < 200 || reply.status > 299)
        return refused(call, &reply, e);
    tell(call, &b, bytes.size, reply.status, buf_slice(&body));
    return true;
}

const struct command command_push = {
    .name = "push",
    .summary = "Push a JSON bundle to a service that keeps it",
    .details = "The bundle is FILE or standard input. With status 0 it is durable there, if the "
               "service is holdfast.",
    .examples = "holdfast push bundle.json\n"
                "make-bundle | holdfast push --url https://backup.example.org/backup --token-file "
                "/etc/push.token",
    .words = "[FILE]",
    .words_max = 1,
    .has_files = true,
    .options = push_options,
    .args_size = sizeof(struct push_args),
    .run = run_push,
};
