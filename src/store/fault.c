/*
 * Failures on purpose: passes calls on to the next store and answers those that the plan
 * names with an error of its own.
 */
#include <stdatomic.h>

#include "base/mem.h"
#include "store/store.h"

struct fault {
    struct store store;
    struct store *next; /* borrowed */
    struct fault_plan plan;
    atomic_int calls;
};

enum call_kind { CALL_READ, CALL_WRITE };

static struct fault *fault_of(struct store *s)
{
    return (struct fault *)s;
}

/* Count a call and tell whether it is to fail. */
static bool fault_is_due(struct fault *f, enum call_kind kind)
{
    if (f->plan.writes_only && kind == CALL_READ)
        return false;

    const int n = atomic_fetch_add(&f->calls, 1);

    return f->plan.mode == FAULT_FROM ? n >= f->plan.at : n == f->plan.at;
}

static bool injected(const struct fault *f, struct err *e)
{
    return err_set(e, f->plan.code, "injected fault");
}

static bool fault_get(struct store *s, const char *key, uint64_t offset, size_t size,
                      struct buf *out, struct err *e)
{
    struct fault *f = fault_of(s);

    if (fault_is_due(f, CALL_READ))
        return injected(f, e);
    return store_get(f->next, key, offset, size, out, e);
}

static bool fault_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                      struct err *e)
{
    struct fault *f = fault_of(s);
    const bool is_due = fault_is_due(f, CALL_WRITE);

    if (is_due && f->plan.mode != FAULT_LOST_REPLY)
        return injected(f, e);
    if (!store_put(f->next, key, data, mode, e))
        return false;
    return !is_due || injected(f, e);
}

static bool fault_stat(struct store *s, const char *key, struct object_info *info, struct err *e)
{
    struct fault *f = fault_of(s);

    if (fault_is_due(f, CALL_READ))
        return injected(f, e);
    return store_stat(f->next, key, info, e);
}

static bool fault_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    struct fault *f = fault_of(s);

    if (fault_is_due(f, CALL_READ))
        return injected(f, e);
    return store_list(f->next, prefix, fn, arg, e);
}

static bool fault_remove(struct store *s, const char *key, struct err *e)
{
    struct fault *f = fault_of(s);
    const bool is_due = fault_is_due(f, CALL_WRITE);

    if (is_due && f->plan.mode != FAULT_LOST_REPLY)
        return injected(f, e);
    if (!store_remove(f->next, key, e))
        return false;
    return !is_due || injected(f, e);
}

static bool fault_move(struct store *s, const char *from, const char *to, struct err *e)
{
    struct fault *f = fault_of(s);
    const bool is_due = fault_is_due(f, CALL_WRITE);

    if (is_due && f->plan.mode != FAULT_LOST_REPLY)
        return injected(f, e);
    if (!store_move(f->next, from, to, e))
        return false;
    return !is_due || injected(f, e);
}

static bool fault_lock_get(struct store *s, const char *key, struct object_lock *out, struct err *e)
{
    struct fault *f = fault_of(s);

    if (fault_is_due(f, CALL_READ))
        return injected(f, e);
    return store_lock_get(f->next, key, out, e);
}

static bool fault_lock_extend(struct store *s, const char *key, const struct object_lock *was,
                              struct object_lock *out, struct err *e)
{
    struct fault *f = fault_of(s);
    const bool is_due = fault_is_due(f, CALL_WRITE);
    struct object_lock lock = {0};

    if (is_due && f->plan.mode != FAULT_LOST_REPLY)
        return injected(f, e);
    if (!store_lock_extend(f->next, key, was, &lock, e))
        return false;
    if (is_due)
        return injected(f, e);
    *out = lock;
    return true;
}

static bool fault_keeps_versions(struct store *s, bool *out, struct err *e)
{
    struct fault *f = fault_of(s);

    if (fault_is_due(f, CALL_READ))
        return injected(f, e);
    return store_keeps_versions(f->next, out, e);
}

static void fault_close(struct store *s)
{
    mem_free(s);
}

static const struct store_ops fault_ops = {
    .scheme = "fault",
    .get = fault_get,
    .put = fault_put,
    .stat = fault_stat,
    .list = fault_list,
    .remove = fault_remove,
    .move = fault_move,
    .lock_get = fault_lock_get,
    .lock_extend = fault_lock_extend,
    .keeps_versions = fault_keeps_versions,
    .close = fault_close,
};

struct store *store_fault_new(struct store *next, struct fault_plan plan)
{
    struct fault *f = mem_new(sizeof(*f));

    f->store = store_around(&fault_ops, next);
    f->next = next;
    f->plan = plan;
    return &f->store;
}

int store_fault_calls(struct store *s)
{
    return atomic_load(&fault_of(s)->calls);
}
