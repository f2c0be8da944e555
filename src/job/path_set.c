#include "job/path_set.h"

#include <string.h>

#include "base/mem.h"

void path_set_done(struct path_set *s)
{
    mem_free(s->paths);
    arena_done(&s->arena);
    *s = (struct path_set){0};
}

/* FNV-1a. */
static uint64_t hash_path(const char *path)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *path != '\0'; path++)
        h = (h ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
    return h;
}

/* Where the path stands, or could. */
static size_t find_path(const struct path_set *s, const char *path)
{
    size_t i = (size_t)hash_path(path) & (s->room - 1);

    while (s->paths[i] != NULL && strcmp(s->paths[i], path) != 0)
        i = (i + 1) & (s->room - 1);
    return i;
}

static void grow(struct path_set *s)
{
    const char **old = s->paths;
    const size_t old_room = s->room;

    s->room = old_room == 0 ? 64 : old_room * 2;
    s->paths = mem_array(s->room, sizeof(*s->paths));
    for (size_t i = 0; i < old_room; i++)
        if (old[i] != NULL)
            s->paths[find_path(s, old[i])] = old[i];
    mem_free(old);
}

void path_set_add(struct path_set *s, const char *path)
{
    if (s->count + 1 > s->room / 2)
        grow(s);

    const size_t at = find_path(s, path);

    if (s->paths[at] != NULL)
        return;
    s->paths[at] = arena_string(&s->arena, slice_string(path));
    s->count++;
}

bool path_set_has(const struct path_set *s, const char *path)
{
    return s->room > 0 && s->paths[find_path(s, path)] != NULL;
}
