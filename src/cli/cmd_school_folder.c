/*
 * school-erp list, delete and undelete: the folder of School ERP's backups.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/school_call.h"
#include "cli/terminal.h"

#define GRACE_DEFAULT "72h"

static const struct option list_options[] = {
    SCHOOL_FOLDER_OPTION,
    SCHOOL_SIGNER_OPTION,
    {"deleted", 0, OPTION_FLAG, SCHOOL_AT(deleted), NULL,
     "Those that were deleted and can be brought back", NULL, NULL, NULL},
    {0},
};

static const struct option delete_options[] = {
    SCHOOL_FOLDER_OPTION,
    SCHOOL_DATABASE_OPTIONS,
    {"grace", 0, OPTION_TEXT, SCHOOL_AT(grace), "TIME",
     "Keep the file hidden for TIME, " GRACE_DEFAULT " unless given", "BACKUP_DELETE_GRACE", NULL,
     NULL},
    {"now", 0, OPTION_FLAG, SCHOOL_AT(now), NULL, "Remove it at once; asks", NULL, NULL, NULL},
    {"yes", 'y', OPTION_FLAG, SCHOOL_AT(yes), NULL, "With --now: do not ask", NULL, NULL, NULL},
    {0},
};

static const struct option undelete_options[] = {
    SCHOOL_FOLDER_OPTION, SCHOOL_DATABASE_OPTIONS, {0}};

/* Listing */

static const char *state_of(const struct school_backup *b)
{
    if (!b->is_readable)
        return "unreadable: it was not written to its end";
    if (b->proof == SCHOOL_REFUTED)
        return b->doubt;
    return b->proof == SCHOOL_PROVEN ? "signed" : "unsigned";
}

static void tell_backup(struct call *call, struct table *t, const struct school_backup *b)
{
    char size[TEXT_SIZE_MAX];

    /* What nobody should bring back is no whole success. */
    if (b->proof == SCHOOL_REFUTED)
        call->status = EXIT_INCOMPLETE;
    if (call->out->json) {
        json_t *line = json_message("school_backup");

        school_call_put(line, b);
        output_json(call->out, line);
        return;
    }
    size_format(b->size, size);
    table_add(t, b->file);
    table_add(t, size);
    table_add(t, state_of(b));
    table_add(t, b->copies);
}

static bool list_kept(struct call *call, const struct school_place *p, struct table *t,
                      struct err *e)
{
    AUTO(school_list) struct school_list l = {0};

    if (!school_backup_list(p, &l, e))
        return false;
    table_init(t, 4);
    table_add(t, "Backup");
    table_add(t, "Size");
    table_add(t, "State");
    table_add(t, "Copies");
    for (size_t i = 0; i < l.count; i++)
        tell_backup(call, t, &l.items[i]);
    return true;
}

static bool list_deleted(struct call *call, const struct school_place *p, struct table *t,
                         struct err *e)
{
    AUTO(school_deleted_list) struct school_deleted_list l = {0};

    if (!school_deleted_get(p, &l, e))
        return false;
    table_init(t, 3);
    table_add(t, "Backup");
    table_add(t, "Size");
    table_add(t, "Removed from");
    for (size_t i = 0; i < l.count; i++) {
        const struct school_deleted *d = &l.items[i];
        char size[TEXT_SIZE_MAX];
        char due[SCHOOL_STAMP_MAX];
        char id[SCHOOL_ID_MAX];

        school_stamp_format(d->due_s * NS_PER_S, due);
        if (call->out->json) {
            json_t *line = json_message("school_deleted");

            school_backup_id(&d->backup, id);
            json_set_text(line, "id", id);
            json_set_text(line, "filename", d->backup.file);
            json_set_u64(line, "size", d->backup.size);
            json_set_text(line, "removedFrom", due);
            output_json(call->out, line);
            continue;
        }
        size_format(d->backup.size, size);
        table_add(t, d->backup.file);
        table_add(t, size);
        table_add(t, due);
    }
    return true;
}

static bool run_list(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    AUTO(school_call) struct school_call n = {0};
    AUTO(table) struct table t = {0};
    AUTO(buf) struct buf text = {0};

    if (!school_call_find(call, args->deleted ? 0 : SCHOOL_READ_MANIFESTS, &n, e) ||
        !(args->deleted ? list_deleted : list_kept)(call, &n.place, &t, e))
        return false;
    if (!call->out->json) {
        table_print(&t, &text);
        output_raw(call->out, buf_slice(&text));
    }
    return true;
}

/* Deleting */

static bool agree(const char *id, const struct school_args *args, struct err *e)
{
    AUTO(buf) struct buf question = {0};
    bool is_yes = args->yes;

    buf_printf(&question, "Remove the backup %.100s for good? (yes/no): ", id);
    if (!is_yes && !terminal_agree(buf_string(&question), &is_yes, e))
        return e->code == ERR_NOT_FOUND
                   ? err_set(e, ERR_USAGE, "--now asks, and there is no terminal: use --yes")
                   : false;
    return is_yes || err_set(e, ERR_CANCELLED, "nothing was deleted");
}

static bool delete_hidden(struct call *call, const struct school_place *p, const char *id,
                          struct school_logged *logged, struct err *e)
{
    const struct school_args *args = call->args;
    int64_t grace_ms = 0;
    char due[SCHOOL_STAMP_MAX];

    if (!parse_timeout(args->grace != NULL ? args->grace : GRACE_DEFAULT, &grace_ms, e))
        return err_wrap(e, "--grace");

    const int64_t due_s = clock_now_ns() / NS_PER_S + grace_ms / 1000;

    if (!school_backup_mark(p, id, due_s, logged, e))
        return false;
    school_stamp_format(due_s * NS_PER_S, due);
    output_note(call->out,
                "Backup deleted successfully; until %s \"school-erp undelete\" brings it "
                "back",
                due);
    return true;
}

static bool run_delete(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    const char *id = args->common.words.items[0];
    AUTO(school_call) struct school_call n = {0};
    struct school_logged logged = {0};
    json_t *line;

    if (args->yes && !args->now)
        return err_set(e, ERR_USAGE, "--yes goes with --now");
    if (!school_call_find(call, 0, &n, e) || (args->now && !agree(id, args, e)))
        return false;
    if (!(args->now ? school_backup_remove(&n.place, id, &logged, e)
                    : delete_hidden(call, &n.place, id, &logged, e)))
        return false;
    line = call->out->json ? json_message("school_delete") : NULL;
    school_call_tell_logged(call, &logged, line);
    if (line != NULL)
        output_json(call->out, line);
    if (args->now)
        output_note(call->out, "Backup deleted successfully");
    school_call_sweep(call, &n.place);
    return true;
}

static bool run_undelete(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    AUTO(school_call) struct school_call n = {0};
    struct school_logged logged = {0};
    struct school_backup b;
    json_t *line;

    if (!school_call_find(call, 0, &n, e) ||
        !school_backup_unmark(&n.place, args->common.words.items[0], &b, &logged, e))
        return false;
    line = call->out->json ? json_message("school_undelete") : NULL;
    school_call_tell_logged(call, &logged, line);
    if (line != NULL) {
        json_set_text(line, "filename", b.file);
        output_json(call->out, line);
    } else {
        output_line(call->out, "%s", b.file);
    }
    return true;
}

const struct command command_school_erp_list = {
    .name = "school-erp list",
    .summary = "List the backups of School ERP in a folder, the newest first",
    .details = "Signed ones are read to their end: such a file is the one that was written under "
               "its name.",
    .examples = "holdfast school-erp list --backup-dir /srv/backups\n"
                "holdfast school-erp list --deleted",
    .words = "",
    .options = list_options,
    .args_size = sizeof(struct school_args),
    .run = run_list,
};

const struct command command_school_erp_delete = {
    .name = "school-erp delete",
    .summary = "Delete a backup of School ERP",
    .details =
        "It is hidden at once, from the application too, and removed when a create or delete "
        "comes after " GRACE_DEFAULT ".",
    .examples = "holdfast school-erp delete 04407c0c8e2a9185adef6193aabc4599\n"
                "holdfast school-erp delete 04407c0c8e2a9185adef6193aabc4599 --now",
    .words = "BACKUP",
    .words_min = 1,
    .words_max = 1,
    .options = delete_options,
    .args_size = sizeof(struct school_args),
    .run = run_delete,
};

const struct command command_school_erp_undelete = {
    .name = "school-erp undelete",
    .summary = "Bring back a backup of School ERP that was deleted",
    .examples = "holdfast school-erp undelete 04407c0c8e2a9185adef6193aabc4599",
    .words = "BACKUP",
    .words_min = 1,
    .words_max = 1,
    .options = undelete_options,
    .args_size = sizeof(struct school_args),
    .run = run_undelete,
};
