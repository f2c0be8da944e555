#include "source/folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static int compare_paths(const void *a, const void *b)
{
    const uint8_t *first = *(const uint8_t *const *)a;
    const uint8_t *second = *(const uint8_t *const *)b;

    while (*first == *second && *first != '\0') {
        first++;
        second++;
    }
    /* A slash ends a component as the end of the path does. */
    return (*first == '/' ? 0 : *first) - (*second == '/' ? 0 : *second);
}

void route_sort(const char **paths, size_t count)
{
    qsort(paths, count, sizeof(paths[0]), compare_paths);
}

static size_t component_length(const char *path)
{
    return strcspn(path, "/");
}

size_t route_group(const struct route *r, size_t *component_size)
{
    const char *first = r->paths[0] + r->at;
    const size_t size = component_length(first);
    size_t count = 1;

    while (count < r->count && component_length(r->paths[count] + r->at) == size &&
           memcmp(r->paths[count] + r->at, first, size) == 0)
        count++;
    *component_size = size;
    return count;
}

bool route_follow(const struct route *r, const char *name, struct route *out)
{
    struct route rest = *r;

    while (rest.count > 0) {
        size_t size = 0;
        const size_t count = route_group(&rest, &size);
        const char *component = rest.paths[0] + rest.at;

        if (strncmp(component, name, size) == 0 && name[size] == '\0') {
            *out =
                (struct route){rest.paths, component[size] == '\0' ? 0 : count, rest.at + size + 1};
            return true;
        }
        rest.paths += count;
        rest.count -= count;
    }
    return false;
}

struct folder *folder_new(struct folder *parent, const char *name)
{
    const size_t size = strlen(name) + 1;
    struct folder *f = mem_new(sizeof(*f) + size);

    memcpy(f->name, name, size);
    f->parent = parent;
    f->fd = -1;
    atomic_init(&f->refs, 1);
    atomic_init(&f->users, 1);
    if (parent != NULL)
        (void)atomic_fetch_add(&parent->refs, 1);
    return f;
}

void folder_use(struct folder *f)
{
    (void)atomic_fetch_add(&f->users, 1);
}

void folder_release(struct folder *f)
{
    if (atomic_fetch_sub(&f->users, 1) > 1)
        return;
    fd_auto(&f->fd);
    f->fd = -1;
    mem_free(f->order);
    while (f != NULL && atomic_fetch_sub(&f->refs, 1) == 1) {
        struct folder *parent = f->parent;

        mem_free(f);
        f = parent;
    }
}

/* Write a name so that it ends at *end, and a slash in front of it. */
static void prepend(uint8_t **end, const char *name)
{
    const size_t size = strlen(name);

    *end -= size;
    memcpy(*end, name, size);
    *--*end = '/';
}

void folder_path(const struct folder *f, const char *name, struct buf *out)
{
    size_t size = name[0] == '\0' ? 0 : strlen(name) + 1;

    for (const struct folder *at = f; at != NULL && at->parent != NULL; at = at->parent)
        size += strlen(at->name) + 1;
    if (size == 0) {
        buf_append(out, "/", 1);
        return;
    }

    uint8_t *end = buf_extend(out, size) + size;

    if (name[0] != '\0')
        prepend(&end, name);
    for (; f != NULL && f->parent != NULL; f = f->parent)
        prepend(&end, f->name);
}
