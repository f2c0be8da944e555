/* clang-format off */
/*
 * The POS service's API over a real catalog, with an identity that believes what it is told and a
 * worker that does what the test tells it: each line of input is a command, each line of output its
 * answer.  Usage: pos_service FOLDER [HOST]
 *
 *     claim                                    take a job: {"id", "fence", "kind", "set", ...} or {}
 *     finish ID FENCE STATE SNAPSHOT VERDICT   end it; "-" for nothing
 *     fill SET COUNT                           add runs that have ended, one a minute until now
 *     stop                                     at the end
 */
/* clang-format on */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/server.h"

#define MINUTE_NS (INT64_C(60) * NS_PER_S)

static void must(bool is_done, const struct err *e)
{
    if (is_done)
        return;
    (void)fprintf(stderr, "%s\n", e->text);
    exit(EXIT_FAILURE);
}

static const char *word(const char *text)
{
    return strcmp(text, "-") == 0 ? NULL : text;
}

/*
 * "Authorization: Test KIND ROLE SCOPES": numbers of the enums and words with commas between them.
 * The user proved himself just now, with "Stale" in front of it an hour ago; "Test expired".
 */
static bool identify(void *arg, const struct request *r, struct principal *out, struct err *e)
{
    const char *said = request_header(r, "Authorization");
    int kind = 0;
    int role = 0;
    char scopes[500] = "";
    char how[6] = "";

    (void)arg;
    if (said == NULL)
        return true;
    if (sscanf(said, "%5s %d %d %499s", how, &kind, &role, scopes) < 3)
        return err_set(e, ERR_DENIED, "expired");
    out->kind = (enum principal_kind)kind;
    out->role = (__typeof__(out->role))role;
    for (char *s = scopes; *s != '\0'; s++)
        *s = *s == ',' ? ' ' : *s;
    (void)snprintf(out->scopes, sizeof(out->scopes), "%s", scopes);
    (void)snprintf(out->id, sizeof(out->id), "id%d%d", kind, role);
    (void)snprintf(out->name, sizeof(out->name), "somebody");
    (void)snprintf(out->csrf, sizeof(out->csrf), "csrf-of-the-session");
    out->proved_ns = clock_now_ns() - (strcmp(how, "Stale") == 0 ? 3600 : 1) * NS_PER_S;
    return true;
}

/* Stands for whatever keeps a configuration from becoming a set. */
static bool check_config(void *arg, const char *document, struct err *e)
{
    (void)arg;
    return strstr(document, "/outside") == NULL ||
           err_set(e, ERR_USAGE, "destinations[0].config.path: lies outside of the roots");
}

/* The worker */

static void claim(struct catalog *c)
{
    const struct catalog_job_offer offer = {"test", "here", 60000};
    AUTO(arena) struct arena a = {0};
    AUTO(buf) struct buf line = {0};
    AUTO(json) json_t *j = NULL;
    struct catalog_job job;
    bool found = false;
    struct err e;

    must(catalog_job_claim(c, &offer, &a, &job, &found, &e), &e);
    j = found ? json_pack("{s:s, s:s, s:I, s:s, s:s, s:s?, s:s, s:s}", "id", job.id, "run", job.run,
                          "fence", (json_int_t)job.fence, "kind", catalog_run_kind_name(job.kind),
                          "set", job.set, "config", job.config, "arguments", job.arguments,
                          "requested_by", job.requested_by)
              : json_object();
    json_append(j, &line);
    (void)printf("%s\n", buf_string(&line));
}

struct ending {
    char id[CATALOG_ID_SIZE], state[20], snapshot[80], verdict[20];
    long long fence;
};

static bool write_ending(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct ending *g = arg;
    const struct catalog_job_hold hold = {g->id, g->fence};
    const bool is_failed = strcmp(g->state, "failed") == 0;
    const struct catalog_job_end end = {
        .outcome = {.state = (enum catalog_run_state)catalog_run_state_find(g->state),
                    .snapshot = word(g->snapshot),
                    .verdict = word(g->verdict),
                    .bytes = 1234,
                    .files = 5,
                    .error = is_failed ? "back up shop: it did not work" : NULL}};
    bool is_again;

    return catalog_job_finish(t, &hold, &end, &is_again, e);
}

static void finish(struct catalog *c, const char *line)
{
    struct ending g;
    struct err e;

    if (sscanf(line, "finish %32s %lld %19s %79s %19s", g.id, &g.fence, g.state, g.snapshot,
               g.verdict) != 5)
        abort();
    must(catalog_write(c, write_ending, &g, &e), &e);
    (void)printf("{}\n");
}

struct filling {
    char set[100];
    long long first, count;
};

static bool write_runs(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct filling *g = arg;
    const int64_t now_ns = catalog_tx_now(t);
    char id[CATALOG_ID_SIZE];

    for (long long i = g->first; i < g->first + g->count; i++) {
        const int64_t begun_ns = now_ns - (i + 1) * MINUTE_NS;
        const struct catalog_run r = {.attempt = 1,
                                      .config = g->set,
                                      .set = g->set,
                                      .kind = RUN_BACKUP,
                                      .variant = "database",
                                      .cause = CAUSE_SCHEDULE,
                                      .requested_by = "system",
                                      .created_ns = begun_ns,
                                      .started_ns = begun_ns,
                                      .ended_ns = begun_ns + NS_PER_S * 3 / 2,
                                      .outcome = {.state = i % 10 == 3 ? RUN_FAILED : RUN_SUCCESS,
                                                  .snapshot = i % 10 == 3 ? NULL : "00ff",
                                                  .bytes = 1000}};

        if (!catalog_run_add(t, &r, id, e))
            return false;
    }
    return true;
}

static void fill(struct catalog *c, const char *line)
{
    struct filling g = {.first = 0};
    long long left = 0;
    struct err e;

    if (sscanf(line, "fill %99s %lld", g.set, &left) != 2)
        abort();
    for (; left > 0; left -= g.count, g.first += g.count) {
        g.count = left < 5000 ? left : 5000;
        must(catalog_write(c, write_runs, &g, &e), &e);
    }
    (void)printf("{}\n");
}

static void log_line(void *arg, const char *line)
{
    (void)arg;
    (void)fprintf(stderr, "%s\n", line);
}

static void serve(struct catalog *c)
{
    char line[300];

    while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "stop\n") != 0) {
        if (strcmp(line, "claim\n") == 0)
            claim(c);
        else if (strncmp(line, "finish ", 7) == 0)
            finish(c, line);
        else if (strncmp(line, "fill ", 5) == 0)
            fill(c, line);
        else
            abort();
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static const char *const hosts[] = {"127.0.0.1"};
    static const char *const repositories[] = {"main", "remote"};
    static const struct service_set sets[] = {{"shop", NULL, NULL, repositories, 2},
                                              {"staging", NULL, NULL, repositories, 1}};
    const struct http_listen listen = {"127.0.0.1:0", NULL};
    AUTO(catalog) struct catalog *c = NULL;
    AUTO(http_server) struct http_server *server = NULL;
    AUTO(json) json_t *list = route_list(api_pos_routes, api_pos_route_count);
    AUTO(buf) struct buf text = {0};
    struct service s = {.host = "here", .sets = sets, .set_count = 2, .check_config = check_config};
    const struct http_idempotency_ops once = once_ops(&s);
    const struct http_options o = {.listens = &listen,
                                   .listen_count = 1,
                                   .routes = api_pos_routes,
                                   .route_count = api_pos_route_count,
                                   .hosts = hosts,
                                   .host_count = 1,
                                   .app = &s,
                                   .identify = identify,
                                   .idempotency = &once,
                                   .log = log_line,
                                   .address_minute = 10000000,
                                   .principal_minute = 10000000};
    struct err e;

    if (argc != 2 && argc != 3)
        return EXIT_FAILURE;
    if (argc == 3)
        s.host = argv[2];
    (void)signal(SIGPIPE, SIG_IGN);
    must(catalog_open(&(struct catalog_options){.state = argv[1]}, &c, &e), &e);
    s.catalog = c;
    must(http_server_start(&o, &server, &e), &e);
    json_append(list, &text);
    (void)printf("{\"port\": %u, \"routes\": %s}\n", http_server_port(server, 0),
                 buf_string(&text));
    (void)fflush(stdout);
    serve(c);
    http_server_stop(server, 0);
    server = NULL;
    return EXIT_SUCCESS;
}
