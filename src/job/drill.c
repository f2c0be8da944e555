/*
 * A drill from the list of things in a snapshot to the evidence.
 *
 * The root of a set's snapshot holds a directory for each file tree and one for each kind of
 * member; any other snapshot is one file tree.
 */
#include "job/drill_private.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/feed.h"
#include "job/scratch.h"

/* A snapshot with more things than this is no set. */
#define MEMBERS_MAX 10000

enum { NS_PER_MS = 1000000 };

const char *verdict_text(enum verdict v)
{
    switch (v) {
    case VERDICT_PROVEN:
        return "proven";
    case VERDICT_NOT_CHECKED:
        return "not checked";
    case VERDICT_FAILED:
        break;
    }
    return "failed";
}

void drill_result_done(struct drill_result *d)
{
    for (size_t i = 0; i < d->count; i++) {
        mem_free(d->members[i].place);
        mem_free(d->members[i].why);
        mem_free(d->members[i].check);
    }
    mem_free(d->members);
    buf_done(&d->evidence);
    *d = (struct drill_result){0};
}

void drill_result_auto(struct drill_result *d)
{
    drill_result_done(d);
}

static void drill_auto(struct drill *d)
{
    reader_free(d->reader);
    drill_result_done(&d->result);
}

/* Verdicts */

__attribute__((format(printf, 3, 0))) static void judge(struct drill_member *m, enum verdict v,
                                                        const char *fmt, va_list args)
{
    char text[sizeof(((struct err *)NULL)->text)];

    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut to the length of any sentence */
    mem_free(m->why);
    m->why = mem_string(text);
    m->verdict = v;
}

bool drill_failed(struct drill_member *m, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    judge(m, VERDICT_FAILED, fmt, args);
    va_end(args);
    return true;
}

bool drill_not_checked(struct drill_member *m, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    judge(m, VERDICT_NOT_CHECKED, fmt, args);
    va_end(args);
    return true;
}

bool drill_compared(struct drill_member *m, uint64_t differences, struct buf *text)
{
    m->verdict = VERDICT_PROVEN;
    return differences == 0 ||
           drill_failed(m, "%llu difference%s to its manifest: %s", (unsigned long long)differences,
                        differences == 1 ? "" : "s", buf_string(text));
}

bool drill_lacks_room(const struct err *why)
{
    return strstr(why->text, strerror(ENOSPC)) != NULL;
}

bool drill_judge(struct drill_member *m, const struct err *why, struct err *e)
{
    if (drill_lacks_room(why))
        return drill_not_checked(m, "%s", why->text);
    if (why->code == ERR_CORRUPT || why->code == ERR_NOT_FOUND)
        return drill_failed(m, "%s", why->text);
    *e = *why;
    return false;
}

/* Things */

/* path is path text and begins with '/'. */
static struct drill_member *member_add(struct drill *d, const char *path)
{
    struct drill_result *r = &d->result;
    struct drill_member *m;

    r->members = mem_resize(r->members, r->count + 1, sizeof(*r->members));
    m = &r->members[r->count++];
    *m = (struct drill_member){.place = mem_string(path + 1), .verdict = VERDICT_NOT_CHECKED};
    return m;
}

/* Whether a path of the snapshot's list of what is incomplete is the place or below it. */
static bool is_below(const char *path, const char *place)
{
    const size_t size = strlen(place);

    return path[0] == '/' && strncmp(path + 1, place, size) == 0 &&
           (size == 0 || path[size + 1] == '/' || path[size + 1] == '\0');
}

/* What is missing since the backup cannot be proven now. */
static void note_incomplete(const struct drill *d, struct drill_member *m)
{
    const struct snapshot *s = d->options->snapshot;
    const struct incomplete *first = NULL;
    size_t count = 0;

    for (size_t i = 0; i < s->incomplete_count; i++) {
        if (!is_below(s->incomplete[i].path, m->place))
            continue;
        first = first == NULL ? &s->incomplete[i] : first;
        count++;
    }
    if (count > 0 && m->verdict != VERDICT_FAILED)
        (void)drill_failed(m, "the backup is incomplete, %zu thing%s missing or mixed: %s: %s",
                           count, count == 1 ? "" : "s", first->path, first->error);
}

static bool prove(struct drill *d, const char *path, const struct entry *en, prove_fn *fn,
                  struct err *e)
{
    AUTO(buf) struct buf text = {0};
    const int64_t began_ns = clock_monotonic_ns();

    if (d->result.count == MEMBERS_MAX)
        return err_set(e, ERR_FATAL, "there are more than %d things in it", MEMBERS_MAX);
    if (cancel_is_requested())
        return cancel_err(e);

    path_escape(slice_string(path), &text);

    struct drill_member *m = member_add(d, buf_string(&text));

    if (!fn(d, path, en, m, e))
        return false;
    note_incomplete(d, m);
    m->duration_ms = (clock_monotonic_ns() - began_ns) / NS_PER_MS;
    return true;
}

/* Things that were left out whole have no entry. */
static void add_missing(struct drill *d)
{
    const struct snapshot *s = d->options->snapshot;

    for (size_t i = 0; i < s->incomplete_count; i++) {
        bool is_covered = false;

        for (size_t n = 0; n < d->result.count && !is_covered; n++)
            is_covered = is_below(s->incomplete[i].path, d->result.members[n].place);
        if (!is_covered && s->incomplete[i].path[0] == '/') {
            struct drill_member *m = member_add(d, s->incomplete[i].path);

            (void)drill_failed(m, "it is not in the backup: %s", s->incomplete[i].error);
        }
    }
}

static bool prove_nothing(struct drill *d, const char *path, const struct entry *en,
                          struct drill_member *m, struct err *e)
{
    (void)d, (void)path, (void)en, (void)e;
    return drill_not_checked(m, "this version of holdfast cannot restore sources of this kind");
}

/* NULL: the directory is a file tree. */
static prove_fn *prover_of(const char *kind)
{
    static const struct {
        const char *kind;
        prove_fn *fn;
    } provers[] = {
        {"bundle", prove_bundle},     {"cfms", prove_nothing},  {"command", prove_command},
        {"postgres", prove_postgres}, {"sqlite", prove_sqlite},
    };

    for (size_t i = 0; i < sizeof(provers) / sizeof(provers[0]); i++)
        if (strcmp(provers[i].kind, kind) == 0)
            return provers[i].fn;
    return NULL;
}

bool drill_read_manifest(struct drill *d, const char *path, struct buf *out, struct err *why)
{
    AUTO(buf) struct buf name = {0};

    buf_printf(&name, "%s" MEMBER_MANIFEST, path);
    return feed_get(d->reader, &d->options->snapshot->tree, buf_string(&name), out, why);
}

/* All members of one kind. */
static bool prove_kind(struct drill *d, const char *kind, const struct hash *tree, prove_fn *fn,
                       struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct entry en;
    bool more = true;

    if (!tree_open(d->reader, tree, &c, e))
        return false;
    while (tree_next(c, &en, &more, e)) {
        AUTO(buf) struct buf path = {0};

        if (!more)
            return true;
        buf_printf(&path, "/%s/", kind);
        buf_append_slice(&path, en.name);
        if (member_is_manifest(en.name))
            continue;
        if (!prove(d, buf_string(&path), &en, fn, e))
            return false;
    }
    return false;
}

static bool prove_set(struct drill *d, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct entry en;
    bool more = true;

    if (!tree_open(d->reader, &d->options->snapshot->tree, &c, e))
        return false;
    while (tree_next(c, &en, &more, e)) {
        AUTO(buf) struct buf name = {0};
        AUTO(buf) struct buf path = {0};
        prove_fn *fn;

        if (!more)
            return true;
        buf_append_slice(&name, en.name);
        buf_printf(&path, "/%s", buf_string(&name));
        fn = prover_of(buf_string(&name));
        if (fn == prove_bundle && en.type == ENTRY_DIRECTORY
                ? !prove(d, buf_string(&path), &en, fn, e)
            : fn != NULL && en.type == ENTRY_DIRECTORY
                ? !prove_kind(d, buf_string(&name), &en.subtree, fn, e)
                : !prove(d, buf_string(&path), &en, prove_tree, e))
            return false;
    }
    return false;
}

static bool prove_all(struct drill *d, struct err *e)
{
    const struct snapshot *s = d->options->snapshot;
    const struct entry root = {.type = ENTRY_DIRECTORY, .subtree = s->tree};
    struct drill_result *r = &d->result;
    struct err why = {0};

    if (s->set == NULL) {
        if (!prove(d, "/", &root, prove_tree, e))
            return false;
    } else if (!prove_set(d, &why) && !drill_judge(member_add(d, "/"), &why, e)) {
        return false;
    }
    add_missing(d);
    r->verdict = r->count > 0 ? VERDICT_PROVEN : VERDICT_NOT_CHECKED;
    for (size_t i = 0; i < r->count; i++)
        if (r->members[i].verdict > r->verdict)
            r->verdict = r->members[i].verdict;
    return true;
}

/* Evidence */

static int text_append(const char *bytes, size_t size, void *arg)
{
    buf_append(arg, bytes, size);
    return 0;
}

/* Sentences may name files, whose names are any bytes. */
static json_t *sentence(const char *text)
{
    AUTO(buf) struct buf safe = {0};

    if (text == NULL)
        return json_null();
    path_escape(slice_string(text), &safe);
    return json_string(buf_string(&safe));
}

static json_t *member_json(const struct drill_member *m)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "place", m->place, "verdict",
                     verdict_text(m->verdict), "why", sentence(m->why), "check", sentence(m->check),
                     "duration_ms", (json_int_t)m->duration_ms, "files", (json_int_t)m->files,
                     "bytes", (json_int_t)m->bytes, "tables", (json_int_t)m->tables, "rows",
                     (json_int_t)m->rows);
}

static void write_evidence(struct drill *d)
{
    const struct drill_options *o = d->options;
    struct drill_result *r = &d->result;
    json_t *members = json_array();
    char id[65], time[CLOCK_TEXT_MAX], host[256] = "localhost";

    (void)gethostname(host, sizeof(host) - 1); /* keeps the default when it fails */
    snapshot_id_text(&o->snapshot->id, id);
    clock_format(r->time_ns, time);
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(members, member_json(&r->members[i]));

    json_t *j = json_pack(
        "{s:i, s:s, s:s?, s:s, s:I, s:o, s:s, s:s, s:o}", "version", 1, "snapshot", id, "set",
        o->snapshot->set, "time", time, "duration_ms", (json_int_t)r->duration_ms, "host",
        sentence(o->host != NULL ? o->host : host), "program", "holdfast " HOLDFAST_VERSION,
        "verdict", verdict_text(r->verdict), "members", members);

    assert(j != NULL);                                                    /* all texts are UTF-8 */
    (void)json_dump_callback(j, text_append, &r->evidence, JSON_COMPACT); /* never fails so */
    json_decref(j);
}

bool drill_run(struct repo *r, const struct drill_options *o, struct drill_result *out,
               struct err *e)
{
    AUTO(scratch_folder) struct scratch_folder scratch = SCRATCH_FOLDER_NONE;
    AUTO(drill) struct drill d = {.repo = r, .options = o};
    const int64_t began_ns = clock_monotonic_ns();

    d.result.time_ns = clock_now_ns();
    if (!repo_load_index(r, e) || !scratch_folder_open(o->scratch, &scratch, e))
        return false;
    d.scratch = scratch.path;
    d.reader = reader_new(r);
    if (!prove_all(&d, e))
        return false;
    d.result.duration_ms = (clock_monotonic_ns() - began_ns) / NS_PER_MS;
    write_evidence(&d);
    if (!evidence_put(r, &o->snapshot->id, buf_slice(&d.result.evidence), e))
        return err_wrap(e, "store the evidence");
    *out = d.result;
    d.result = (struct drill_result){0};
    return true;
}
