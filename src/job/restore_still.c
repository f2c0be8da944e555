/*
 * Backups beside restores: what is read while a restore or an undo moves it is a mixture of two
 * states.  The journals tell, whoever wrote them and when.
 */
#include <string.h>

#include "job/restore_set.h"

static void put_line(const struct restore_record *r, struct buf *out)
{
    buf_printf(out, "%s %lld\n", r->id, (long long)r->moves);
}

static bool note(void *arg, const struct restore_record *r, struct err *e)
{
    struct restore_still *s = arg;

    if (strcmp(r->set, s->set->name) != 0)
        return true;
    if (r->phase == RESTORE_SWAPPING || r->phase == RESTORE_UNDOING)
        return err_set(
            e, ERR_TRANSIENT,
            "restore %s of set %s was not brought to an end (%s): run holdfast undo %s first",
            r->id, s->set->name, restore_phase_text(r->phase), r->id);
    put_line(r, &s->seen);
    return true;
}

bool restore_still_begin(struct restore_still *s, const struct config *c,
                         const struct config_set *set, struct err *e)
{
    s->config = c;
    s->set = set;
    buf_clear(&s->seen);
    return restore_record_each(c->state, note, s, e);
}

static bool compare(void *arg, const struct restore_record *r, struct err *e)
{
    struct restore_still *s = arg;
    AUTO(buf) struct buf line = {0};

    if (strcmp(r->set, s->set->name) != 0 || r->moves == 0)
        return true;
    put_line(r, &line);
    return strstr(buf_string(&s->seen), buf_string(&line)) != NULL ||
           err_set(e, ERR_TRANSIENT,
                   "restore %s of set %s (%s) exchanged what was being read: back up again", r->id,
                   s->set->name, restore_phase_text(r->phase));
}

bool restore_still_check(struct restore_still *s, struct err *e)
{
    return restore_record_each(s->config->state, compare, s, e);
}

void restore_still_auto(struct restore_still *s)
{
    buf_done(&s->seen);
}
