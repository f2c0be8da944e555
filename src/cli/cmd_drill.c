/*
 * drill: prove that a snapshot restores, and show what earlier drills found.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct drill_args {
    struct common common;
    struct filter_args filter;
    char *scratch;
    bool list, markdown;
};

#define AT(member) offsetof(struct drill_args, member)

static const struct option drill_options[] = {
    FILTER_OPTIONS_AND_SET(drill_args, filter),
    {"scratch", 0, OPTION_TEXT, AT(scratch), "DIR", "Work in DIR instead of TMPDIR or /var/tmp",
     NULL, "list"},
    {"list", 'l', OPTION_FLAG, AT(list), NULL, "Show what earlier drills found; drill nothing",
     NULL, "list"},
    {"markdown", 0, OPTION_FLAG, AT(markdown), NULL, "Print the evidence as Markdown", NULL, NULL},
    {0},
};

/* A snapshot, or the latest of a set that a word names. */
static bool find_snapshot(struct call *call, struct session *s, struct snapshot **out,
                          struct err *e)
{
    const struct drill_args *args = call->args;
    const bool has_word = args->common.words.count > 0;
    const char *word = has_word ? args->common.words.items[0] : "latest";
    struct filter_args of_set = args->filter;
    struct err as_set = {0};
    AUTO(mem) char *sub = NULL;

    if (session_resolve(call, s, word, &args->filter, out, &sub, e))
        return sub == NULL || err_set(e, ERR_USAGE, "%s: a drill is of a whole snapshot", word);
    if (!has_word || (e->code != ERR_NOT_FOUND && e->code != ERR_USAGE))
        return false;
    of_set.set = args->common.words.items[0];
    if (session_resolve(call, s, "latest", &of_set, out, &sub, &as_set))
        return true;
    if (as_set.code == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND, "there is no snapshot and no set %s", word);
    *e = as_set;
    return false;
}

/* Evidence as people read it */

static const char *text_at(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    return text != NULL ? text : "";
}

static uint64_t number_at(const json_t *j, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(j, key));
}

/* "12 tables, 3400 rows, 5 files, 1.2 MiB" */
static void put_amount(const json_t *m, struct buf *out)
{
    char size[TEXT_SIZE_MAX];

    if (number_at(m, "tables") > 0)
        buf_printf(out, "%llu tables, %llu rows, ", (unsigned long long)number_at(m, "tables"),
                   (unsigned long long)number_at(m, "rows"));
    if (number_at(m, "files") > 0)
        buf_printf(out, "%llu file%s, ", (unsigned long long)number_at(m, "files"),
                   plural(number_at(m, "files")));
    size_format(number_at(m, "bytes"), size);
    buf_printf(out, "%s", size);
}

static void put_place(const json_t *m, struct buf *out)
{
    const char *place = text_at(m, "place");

    buf_printf(out, "%s", *place != '\0' ? place : "all files");
}

static void print_lines(struct output *out, const json_t *evidence)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};
    const json_t *m;
    size_t i;

    table_init(&t, 4);
    json_array_foreach(json_object_get(evidence, "members"), i, m)
    {
        AUTO(buf) struct buf place = {0};
        AUTO(buf) struct buf amount = {0};

        put_place(m, &place);
        put_amount(m, &amount);
        table_add(&t, text_at(m, "verdict"));
        table_add(&t, buf_string(&place));
        table_add(&t, buf_string(&amount));
        table_add(&t, *text_at(m, "why") != '\0' ? text_at(m, "why") : text_at(m, "check"));
    }
    table_print(&t, &text);
    output_raw(out, buf_slice(&text));
}

/* What stands in a cell of a table must not end it. */
static void put_cell(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)(*text == '\n' ? ' ' : *text));
    }
}

static void print_markdown(struct output *out, const json_t *evidence)
{
    AUTO(buf) struct buf text = {0};
    const json_t *m;
    const char *set = text_at(evidence, "set");
    size_t i;

    buf_printf(&text, "# Drill of snapshot %.8s%s%s: %s\n\n", text_at(evidence, "snapshot"),
               *set != '\0' ? " of set " : "", set, text_at(evidence, "verdict"));
    buf_printf(&text, "- Snapshot: `%s`\n- Time: %s, %.1f s\n- Host: %s\n- Program: %s\n\n",
               text_at(evidence, "snapshot"), text_at(evidence, "time"),
               (double)number_at(evidence, "duration_ms") / 1000, text_at(evidence, "host"),
               text_at(evidence, "program"));
    buf_printf(&text, "| what | verdict | how | amount | why |\n|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(evidence, "members"), i, m)
    {
        buf_printf(&text, "| ");
        AUTO(buf) struct buf place = {0};

        put_place(m, &place);
        put_cell(buf_string(&place), &text);
        buf_printf(&text, " | %s | ", text_at(m, "verdict"));
        put_cell(text_at(m, "check"), &text);
        buf_printf(&text, " | ");
        put_amount(m, &text);
        buf_printf(&text, " | ");
        put_cell(text_at(m, "why"), &text);
        buf_printf(&text, " |\n");
    }
    output_raw(out, buf_slice(&text));
}

static bool print_evidence(struct call *call, struct slice json, struct err *e)
{
    const struct drill_args *args = call->args;
    AUTO(json) json_t *j = json_loadb((const char *)json.data, json.size, 0, NULL);
    const char *set;

    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "evidence of a drill is no JSON");
    if (call->out->json) {
        json_set_text(j, "message_type", "drill");
        output_json(call->out, TAKE(j));
        return true;
    }
    if (args->markdown) {
        print_markdown(call->out, j);
        return true;
    }
    set = text_at(j, "set");
    print_lines(call->out, j);
    output_line(call->out, "Drill of %.8s%s%s, %.19s: %s", text_at(j, "snapshot"),
                *set != '\0' ? " of set " : "", set, text_at(j, "time"), text_at(j, "verdict"));
    return true;
}

static bool on_evidence(void *arg, const struct hash *snapshot, int64_t time_ns, struct slice json,
                        struct err *e)
{
    (void)snapshot;
    (void)time_ns;
    return print_evidence(arg, json, e);
}

static bool run_drill(struct call *call, struct err *e)
{
    const struct drill_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(drill_result) struct drill_result d = {0};

    if (args->markdown && call->out->json)
        return err_set(e, ERR_USAGE, "--markdown and --json exclude each other");
    if (!session_open(call, &s, e) || !find_snapshot(call, &s, &snapshot, e))
        return false;
    if (args->list)
        return evidence_each(s.repo, &snapshot->id, on_evidence, call, e);

    const struct drill_options o = {.snapshot = snapshot, .scratch = args->scratch};

    if (!drill_run(s.repo, &o, &d, e) || !print_evidence(call, buf_slice(&d.evidence), e))
        return false;
    if (d.verdict != VERDICT_PROVEN)
        call->status = d.verdict == VERDICT_FAILED ? EXIT_DRILL_FAILED : EXIT_INCOMPLETE;
    return true;
}

const struct command command_drill = {
    .name = "drill",
    .summary = "Prove that a snapshot restores",
    .details =
        "Each thing in the snapshot is brought back in scratch space and compared with what was\n"
        "noted when it was backed up: it is proven, failed or not checked, and so is the whole.\n"
        "What was found is kept in the repository beside the snapshot.  SET means the latest\n"
        "snapshot of that set; without SNAPSHOT the latest one is drilled.\n"
        "Exit status 14: something failed; 3: nothing failed, but something was not checked.",
    .examples = "holdfast drill\n"
                "holdfast drill shop\n"
                "holdfast drill 1a2b3c4d --markdown > evidence.md\n"
                "holdfast drill --list latest --json",
    .words = "[SNAPSHOT|SET]",
    .words_max = 1,
    .options = drill_options,
    .args_size = sizeof(struct drill_args),
    .run = run_drill,
};
