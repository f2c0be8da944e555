#include "job/moved.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

/* Bounds of memory. */
#define FILES_MAX   ((size_t)250000)
#define CONTENT_MAX ((size_t)32 << 20)

/* Of files with one name so many are compared. */
#define LOOK_MAX 64

/* Shorter files are not worth the base. */
#define SIZE_MIN 512

/* Sizes of what has the same name differ by less than one part in so many; of what has the same
 * inode, by a factor. */
#define SAME_NAME_PART    4
#define SAME_INODE_FACTOR 4

#define NONE              UINT32_MAX

/* What a file can be found by. */
enum key_kind {
    KEY_INODE,
    KEY_PLACE, /* the names of file and directory */
    KEY_NAME,
    KEYS,
};

struct known {
    uint64_t keys[KEYS], name, inode, device, size; /* name: with its digits */
    uint32_t next[KEYS];                            /* with the same key, more or less */
    enum entry_type type;
    struct content_before before;
};

struct moved {
    struct arena arena;
    struct known *files;
    size_t count, room, content_size;
    uint32_t *heads[KEYS]; /* by the low bits of a key */
    size_t head_count;     /* a power of two */
};

struct moved *moved_new(void)
{
    return mem_new(sizeof(struct moved));
}

void moved_free(struct moved *m)
{
    if (m == NULL)
        return;
    for (size_t k = 0; k < KEYS; k++)
        mem_free(m->heads[k]);
    mem_free(m->files);
    arena_done(&m->arena);
    mem_free(m);
}

void moved_auto(struct moved **m)
{
    moved_free(*m);
}

/* Keys */

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a.  Whoever makes names meet makes LOOK_MAX comparisons. */
static uint64_t mix(uint64_t h, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* A run of digits counts as one: the names of tonight's dump and of yesterday's are the same. */
static uint64_t mix_name(uint64_t h, struct slice name)
{
    bool is_digit = false;

    for (size_t i = 0; i < name.size; i++) {
        const bool was_digit = is_digit;

        is_digit = name.data[i] >= '0' && name.data[i] <= '9';
        if (!is_digit || !was_digit)
            h = mix(h, is_digit ? (const uint8_t *)"0" : &name.data[i], 1);
    }
    return mix(h, "/", 1);
}

static void find_keys(const struct entry *en, struct slice folder, uint64_t keys[KEYS])
{
    keys[KEY_INODE] =
        mix(mix(HASH_START, &en->inode, sizeof(en->inode)), &en->device, sizeof(en->device));
    keys[KEY_NAME] = mix_name(HASH_START, en->name);
    keys[KEY_PLACE] = mix_name(keys[KEY_NAME], folder);
}

static uint64_t exact_name(const struct entry *en)
{
    return mix(HASH_START, en->name.data, en->name.size);
}

/* Low bits of FNV-1a alone say little. */
static size_t head_of(const struct moved *m, uint64_t key)
{
    return (size_t)(key ^ key >> 29) & (m->head_count - 1);
}

/* Adding */

static void link_file(struct moved *m, uint32_t number)
{
    struct known *f = &m->files[number];

    for (size_t k = 0; k < KEYS; k++) {
        uint32_t *head = &m->heads[k][head_of(m, f->keys[k])];

        f->next[k] = *head;
        *head = number;
    }
}

static void make_room(struct moved *m)
{
    m->room = m->room == 0 ? 64 : m->room * 2;
    m->head_count = m->room;
    m->files = mem_resize(m->files, m->room, sizeof(*m->files));
    for (size_t k = 0; k < KEYS; k++) {
        m->heads[k] = mem_resize(m->heads[k], m->head_count, sizeof(*m->heads[k]));
        memset(m->heads[k], 0xff, m->head_count * sizeof(*m->heads[k])); /* NONE */
    }
    for (size_t i = 0; i < m->count; i++)
        link_file(m, (uint32_t)i);
}

static bool is_full(const struct moved *m)
{
    return m->count >= FILES_MAX || m->content_size >= CONTENT_MAX;
}

static void add(struct moved *m, const struct entry *en, struct slice folder)
{
    const bool is_directory = en->type == ENTRY_DIRECTORY;
    const struct slice content =
        is_directory ? SLICE_OF(en->subtree.bytes, HASH_SIZE) : en->content;

    if (is_full(m) || (!is_directory && (en->type != ENTRY_FILE || en->size < SIZE_MIN)))
        return;
    if (m->count == m->room)
        make_room(m);

    struct known *f = &m->files[m->count];

    *f = (struct known){.inode = en->inode,
                        .device = en->device,
                        .name = exact_name(en),
                        .size = en->size,
                        .type = en->type,
                        .before = {.content = arena_copy(&m->arena, content),
                                   .is_indirect = (en->flags & ENTRY_INDIRECT) != 0}};
    find_keys(en, folder, f->keys);
    m->content_size += content.size;
    link_file(m, (uint32_t)m->count++);
}

/* Directories that are still to be added. */
struct todo {
    struct arena arena; /* of their names */
    struct buf items;   /* struct next */
};
struct next {
    struct hash tree;
    struct slice folder;
};

static void todo_auto(struct todo *t)
{
    arena_done(&t->arena);
    buf_done(&t->items);
}

static void todo_add(struct todo *t, const struct entry *en)
{
    const struct next n = {en->subtree, arena_copy(&t->arena, en->name)};

    buf_append(&t->items, &n, sizeof(n));
}

/* below: receives the directories, or NULL. */
static void add_tree(struct moved *m, struct reader *rd, const struct hash *tree,
                     struct slice folder, struct todo *below)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct err unreadable = {0};
    struct entry en;
    bool more = true;

    if (!tree_open(rd, tree, &c, &unreadable))
        return;
    while (!is_full(m) && tree_next(c, &en, &more, &unreadable) && more) {
        add(m, &en, folder);
        if (below != NULL && en.type == ENTRY_DIRECTORY)
            todo_add(below, &en);
    }
}

void moved_add(struct moved *m, struct reader *rd, const struct hash *tree, struct slice folder)
{
    add_tree(m, rd, tree, folder, NULL);
}

void moved_add_all(struct moved *m, struct reader *rd, const struct hash *root)
{
    AUTO(todo) struct todo t = {0};

    add_tree(m, rd, root, (struct slice){0}, &t);
    while (t.items.size > 0 && !is_full(m)) {
        struct next n;

        t.items.size -= sizeof(n);
        memcpy(&n, t.items.data + t.items.size, sizeof(n));
        add_tree(m, rd, &n.tree, n.folder, &t);
    }
}

/* Finding */

static uint64_t apart(const struct known *f, const struct entry *now)
{
    return f->size > now->size ? f->size - now->size : now->size - f->size;
}

static bool is_alike(const struct known *f, const struct entry *now, enum key_kind by)
{
    if (f->type != now->type)
        return false;
    if (by != KEY_INODE)
        return apart(f, now) <= now->size / SAME_NAME_PART;
    return f->inode == now->inode && f->device == now->device &&
           (now->type == ENTRY_DIRECTORY ||
            (f->size / SAME_INODE_FACTOR <= now->size && now->size / SAME_INODE_FACTOR <= f->size));
}

static bool is_nearer(const struct known *f, const struct known *best, const struct entry *now,
                      uint64_t name)
{
    if (best == NULL || (f->name == name) != (best->name == name))
        return best == NULL || f->name == name;
    return apart(f, now) < apart(best, now);
}

/* Of those that are alike one of the same name, digits and all, and of these that of the nearest
 * size. */
static const struct known *find_by(const struct moved *m, const struct entry *now, uint64_t key,
                                   enum key_kind by)
{
    const uint64_t name = exact_name(now);
    const struct known *best = NULL;
    uint32_t number = m->heads[by][head_of(m, key)];

    for (int i = 0; i < LOOK_MAX && number != NONE; i++) {
        const struct known *f = &m->files[number];

        if (f->keys[by] == key && is_alike(f, now, by) && is_nearer(f, best, now, name))
            best = f;
        number = f->next[by];
    }
    return best;
}

/* An inode is soon another file's.  So who has the inode and another name comes behind who had this
 * name in a directory of the same name. */
static const struct known *find_file(const struct moved *m, const struct entry *now,
                                     const uint64_t keys[KEYS])
{
    const uint64_t name = exact_name(now);
    const struct known *found = find_by(m, now, keys[KEY_INODE], KEY_INODE);
    const struct known *named;

    if (found != NULL && found->name == name)
        return found;
    named = find_by(m, now, keys[KEY_PLACE], KEY_PLACE);
    if (named != NULL && (found == NULL || named->name == name))
        return named;
    return found != NULL ? found : find_by(m, now, keys[KEY_NAME], KEY_NAME);
}

bool moved_find(const struct moved *m, const struct entry *now, struct slice folder,
                struct content_before *out)
{
    const struct known *found;
    uint64_t keys[KEYS];

    if (m->count == 0 ||
        (now->type != ENTRY_DIRECTORY && (now->type != ENTRY_FILE || now->size < SIZE_MIN)))
        return false;
    find_keys(now, folder, keys);
    found = now->type == ENTRY_FILE ? find_file(m, now, keys)
                                    : find_by(m, now, keys[KEY_INODE], KEY_INODE);
    if (found == NULL)
        return false;
    *out = found->before;
    return true;
}
