#include "told.h"

#include <string.h>

#include "base/mem.h"
#include "support/test.h"

static const struct plant first_plants[] = {
    {"a/one", 1, 300, false},
    {"a/two", 2, 200, true},
    {"both", 3, 100, false},
};
static const struct plant second_plants[] = {
    {"both", 3, 100, false},
    {"z/four", 5, 150, false},
};
const struct planting small_files = {first_plants, 3, 0, 0};
static const struct planting second = {second_plants, 2, 0, 0};

void told_auto(struct told *t)
{
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->lines[i]);
}

static void on_fault(void *arg, const struct check_fault *f)
{
    static const char *const words[] = {
        [CHECK_DAMAGED] = "damaged", [CHECK_LITTER] = "litter", [CHECK_AFFECTED] = "affected"};
    struct told *t = arg;
    AUTO(buf) struct buf line = {0};

    CHECK(f->sentence != NULL && f->sentence[0] != '\0');
    CHECK((f->path != NULL) == (f->kind == CHECK_AFFECTED));
    CHECK(t->count < 200);
    buf_printf(&line, "%s %s", words[f->kind], f->object);
    if (f->path != NULL)
        buf_printf(&line, " %s", f->path);
    t->lines[t->count++] = mem_string(buf_string(&line));
}

bool has_told(const struct told *t, const char *word, const char *object, const char *path)
{
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "%s %s", word, object);
    if (path != NULL)
        buf_printf(&line, " %s", path);
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->lines[i], buf_string(&line)) == 0)
            return true;
    return false;
}

size_t count_told(const struct told *t, const char *word)
{
    size_t count = 0;

    for (size_t i = 0; i < t->count; i++)
        count += strncmp(t->lines[i], word, strlen(word)) == 0 ? 1 : 0;
    return count;
}

void check_with(struct repo *r, struct check_options o, struct told *t)
{
    o.fault = on_fault;
    o.arg = t;
    CHECK_OK(check_run(r, &o, &t->stats, e));
    CHECK(t->stats.damaged_objects == count_told(t, "damaged"));
    CHECK(t->stats.affected_files == count_told(t, "affected"));
    CHECK(t->stats.litter == count_told(t, "litter"));
}

void check(struct repo *r, struct told *t)
{
    check_with(r, (struct check_options){.read_data = true}, t);
}

void check_sound(struct repo *r)
{
    AUTO(told) struct told t = {0};

    check(r, &t);
    ck_assert_msg(t.count == 0, "%s", t.count == 0 ? "" : t.lines[0]);
}

struct world small_new(void)
{
    struct world w = world_new(&small_files);

    CHECK_OK(world_plant(w.repo, &second, &w.second, e));
    CHECK_OK(world_plant(w.repo, &second, &w.third, e));
    CHECK_OK(snapshot_forget(w.repo, &w.third, "test", e));
    return w;
}
