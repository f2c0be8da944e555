#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/local.h"
#include "support/test.h"

char *scratch_new(void)
{
    char path[] = "/tmp/holdfast-store-XXXXXX";

    if (mkdtemp(path) == NULL)
        abort();
    return mem_string(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void scratch_auto(char **path)
{
    (void)nftw(*path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    mem_free(*path);
}

struct scratch_path scratch_join(const char *scratch, const char *name)
{
    struct scratch_path p;

    if (snprintf(p.text, sizeof(p.text), "%s/%s", scratch, name) >= (int)sizeof(p.text))
        abort();
    return p;
}

void scratch_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f != NULL);
    CHECK(fputs(text, f) >= 0 && fclose(f) == 0);
}

struct store *scratch_store(const char *dir)
{
    struct store *s = NULL;

    CHECK_OK(local_create(dir, &s, e));
    return s;
}

static bool count_one(void *arg, const struct object_info *info, struct err *e)
{
    (void)info;
    (void)e;
    ++*(int *)arg;
    return true;
}

bool scratch_list(struct store *s, const char *prefix, int *count, struct err *e)
{
    *count = 0;
    return store_list(s, prefix, count_one, count, e);
}

int scratch_count(struct store *s)
{
    int n = 0;

    CHECK_OK(scratch_list(s, "", &n, e));
    return n;
}

bool scratch_has(struct store *s, const char *key)
{
    struct object_info info = {0};
    struct err e;

    return store_stat(s, key, &info, &e);
}
