#include "job/restore_app.h"

#include <stdarg.h>
#include <stdio.h>

void restore_tell(const struct restore_set_options *o, const char *fmt, ...)
{
    char text[sizeof(((struct err *)NULL)->text)];
    va_list args;

    if (o->tell == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); /* cut to the length of any sentence */
    va_end(args);
    o->tell(o->tell_arg, text);
}

bool restore_app_is_switched(const struct config_set *set)
{
    return set->restore.stop.count + set->restore.start.count > 0;
}

static bool call(const struct texts *program, int64_t timeout_ms, bool goes_on, struct err *e)
{
    const char *const *argv = (const char *const *)program->items;
    const struct command_options o = {
        .name = argv[0], .argv = argv, .timeout_ms = (uint64_t)timeout_ms};

    if (command_call(&o, goes_on, e))
        return true;
    e->code = e->code == ERR_CANCELLED ? ERR_CANCELLED : ERR_FATAL;
    return false;
}

/* word: "stop" or "start" */
static bool call_all(const struct restore_set_options *o, const struct programs *all,
                     const char *word, bool is_way_back, struct err *e)
{
    struct err first = {0};

    for (size_t i = 0; i < all->count && (is_way_back || first.code == ERR_NONE); i++) {
        struct err why = {0};

        if (call(&all->items[i], o->set->restore.timeout_ms, is_way_back, &why)) {
            restore_tell(o, "%s %zu of %zu: %s has run", word, i + 1, all->count,
                         all->items[i].items[0]);
            continue;
        }
        (void)err_wrap(&why, "%s %zu of %zu", word, i + 1, all->count);
        if (first.code == ERR_NONE)
            first = why;
    }
    if (first.code == ERR_NONE)
        return true;
    *e = first;
    return false;
}

bool restore_app_stop(const struct restore_set_options *o, bool is_way_back, struct err *e)
{
    return call_all(o, &o->set->restore.stop, "stop", is_way_back, e);
}

bool restore_app_start(const struct restore_set_options *o, bool is_way_back, struct err *e)
{
    return call_all(o, &o->set->restore.start, "start", is_way_back, e);
}

bool restore_app_check(const struct restore_set_options *o, struct err *e)
{
    const struct programs *all = &o->set->health_checks;

    for (size_t i = 0; i < all->count; i++) {
        if (!call(&all->items[i], 0, false, e))
            return err_wrap(e, "health check");
        restore_tell(o, "Health check %s passed", all->items[i].items[0]);
    }
    return true;
}
