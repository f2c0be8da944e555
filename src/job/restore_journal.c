#include "job/restore_journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "codec/random.h"

#define FORMAT      1
#define FOLDER      "restores"
#define SUFFIX      ".json"
#define JOURNAL_MAX ((size_t)64 << 20)

enum { ID_BYTES = (RESTORE_ID_MAX - 1) / 2 };

static const char *const phases[] = {
    [RESTORE_STAGING] = "staging",
    [RESTORE_SWAPPING] = "swapping",
    [RESTORE_DONE] = "done",
    [RESTORE_FAILED] = "failed",
    [RESTORE_UNDOING] = "undoing",
    [RESTORE_UNDONE] = "undone",
    [RESTORE_DISCARDING] = "discarding",
    [RESTORE_DISCARDED] = "discarded",
};
#define PHASES (sizeof(phases) / sizeof(phases[0]))

const char *restore_phase_text(enum restore_phase p)
{
    return phases[p];
}

void restore_journal_auto(struct restore_journal *j)
{
    fd_auto(&j->folder_fd);
    json_decref(j->document);
}

bool restore_folder_lock(const char *state, int *fd, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(fd) int folder = -1;

    buf_printf(&path, "%s/" FOLDER, state);
    if (!dir_make_all(buf_string(&path), 0700, e) || !dir_open(buf_string(&path), &folder, e))
        return err_wrap(e, "journals of restores");
    if (flock(folder, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? err_set(e, ERR_TRANSIENT, "another restore or undo is under way")
                   : err_sys(e, "lock %s", buf_string(&path));
    *fd = folder;
    folder = -1;
    return true;
}

/* A new one */

static void set_time(json_t *document, const char *name, int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    clock_format(time_ns, text);
    (void)json_object_set_new(document, name,
                              json_string(text)); /* fails for lack of memory only */
}

void restore_journal_new(struct restore_journal *j, int folder_fd, const char *set,
                         const struct hash *snapshot)
{
    uint8_t random[ID_BYTES];
    char id[2 * HASH_SIZE + 1];

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), j->record.id);
    snapshot_id_text(snapshot, id);
    j->folder_fd = folder_fd;
    j->document = json_pack("{s:i, s:s, s:s, s:s, s:s, s:n, s:n, s:[]}", "format", FORMAT, "id",
                            j->record.id, "set", set, "phase", phases[RESTORE_STAGING], "snapshot",
                            id, "safety", "why", "sources");
    j->record.started_ns = clock_now_ns();
    set_time(j->document, "started", j->record.started_ns);
}

json_t *restore_journal_sources(const struct restore_journal *j)
{
    return json_object_get(j->document, "sources");
}

void restore_journal_set_safety(struct restore_journal *j, const struct hash *snapshot)
{
    char id[2 * HASH_SIZE + 1];

    snapshot_id_text(snapshot, id);
    (void)json_object_set_new(j->document, "safety", json_string(id));
}

/* Sentences may hold names of files, which are any bytes. */
void restore_journal_set_why(struct restore_journal *j, const char *why)
{
    AUTO(buf) struct buf text = {0};

    path_escape(slice_string(why), &text);
    (void)json_object_set_new(j->document, "why", json_string(buf_string(&text)));
}

void restore_journal_set_stopped(struct restore_journal *j, bool is_stopped)
{
    j->record.is_stopped = is_stopped;
    (void)json_object_set_new(j->document, "stopped", json_boolean(is_stopped));
}

bool restore_journal_enter(struct restore_journal *j, enum restore_phase p, struct err *e)
{
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf temporary = {0};
    AUTO(buf) struct buf text = {0};
    bool is_suspect = false;

    if (p == RESTORE_SWAPPING || p == RESTORE_UNDOING)
        j->record.moves++;
    (void)json_object_set_new(j->document, "moves", json_integer(j->record.moves));
    (void)json_object_set_new(j->document, "phase", json_string(phases[p]));
    set_time(j->document, "changed", clock_now_ns());
    json_append(j->document, &text);
    buf_printf(&name, "%s" SUFFIX, j->record.id);
    buf_printf(&temporary, "%s.tmp", j->record.id);

    if (!file_publish_replace(j->folder_fd, buf_string(&name), buf_string(&temporary),
                              buf_slice(&text), &is_suspect, e))
        return err_wrap(e, "journal of restore %s", j->record.id);
    j->record.phase = p;
    return true;
}

/* Reading */

static bool take_time(const json_t *document, const char *name, int64_t *out)
{
    const char *text = json_string_value(json_object_get(document, name));
    struct err ignored = {0};

    return text != NULL && clock_parse(text, out, &ignored);
}

static bool take_phase(const char *text, enum restore_phase *out)
{
    for (size_t i = 0; text != NULL && i < PHASES; i++)
        if (strcmp(phases[i], text) == 0) {
            *out = (enum restore_phase)i;
            return true;
        }
    return false;
}

static bool take_record(const json_t *document, struct restore_record *r)
{
    const char *id = json_string_value(json_object_get(document, "id"));
    uint8_t random[ID_BYTES];

    if (id == NULL || !hex_decode(id, random, sizeof(random)))
        return false;
    hex_encode(SLICE_OF(random, sizeof(random)), r->id);
    r->set = json_string_value(json_object_get(document, "set"));
    r->snapshot = json_string_value(json_object_get(document, "snapshot"));
    r->safety = json_string_value(json_object_get(document, "safety"));
    r->why = json_string_value(json_object_get(document, "why"));
    r->moves = json_integer_value(json_object_get(document, "moves"));
    r->is_stopped = json_is_true(json_object_get(document, "stopped"));
    return json_integer_value(json_object_get(document, "format")) == FORMAT && r->set != NULL &&
           r->snapshot != NULL && json_is_array(json_object_get(document, "sources")) &&
           take_phase(json_string_value(json_object_get(document, "phase")), &r->phase) &&
           take_time(document, "started", &r->started_ns) &&
           take_time(document, "changed", &r->changed_ns);
}

/* It names things that are removed, so nobody else may have had a hand in it. */
static bool check_owner(int fd, const char *name, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "%s", name);
    return (S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0) ||
           err_set(e, ERR_DENIED, "%s is not a file that only its owner can use", name);
}

static bool read_text(int folder_fd, const char *name, struct buf *out, struct err *e)
{
    AUTO(fd) int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    size_t got = 0;

    if (fd < 0)
        return err_sys(e, "open %s", name);
    if (!check_owner(fd, name, e))
        return false;
    if (fstat(fd, &st) < 0)
        return err_sys(e, "%s", name);
    if (st.st_size > (off_t)JOURNAL_MAX)
        return err_set(e, ERR_CORRUPT, "%s is longer than any journal", name);
    if (!fd_read(fd, buf_extend(out, (size_t)st.st_size), (size_t)st.st_size, &got, e))
        return err_wrap(e, "%s", name);
    out->size = got;
    return true;
}

bool restore_journal_read(int folder_fd, const char *name, struct restore_journal *out,
                          struct err *e)
{
    AUTO(buf) struct buf text = {0};
    struct restore_journal j = RESTORE_JOURNAL_NONE;

    if (!read_text(folder_fd, name, &text, e))
        return err_wrap(e, "journal of a restore");
    j.document = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (j.document == NULL || !take_record(j.document, &j.record)) {
        json_decref(j.document);
        return err_set(e, ERR_CORRUPT, "the journal %s of a restore is damaged", name);
    }
    *out = j;
    return true;
}

/* The list */

static void folder_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d); /* only read */
}

struct listed {
    char *name;
    struct timespec time;
};

static int compare_listed(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    const int64_t first = clock_from_timespec(x->time), second = clock_from_timespec(y->time);

    return first != second ? (first < second) - (first > second) : strcmp(x->name, y->name);
}

static bool is_journal(const char *name)
{
    return strlen(name) == RESTORE_ID_MAX - 1 + strlen(SUFFIX) &&
           strcmp(name + RESTORE_ID_MAX - 1, SUFFIX) == 0;
}

bool restore_journal_list(int folder_fd, char ***out, size_t *count, struct err *e)
{
    const int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(folder) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct listed *found = NULL;
    char **names;
    size_t n = 0;

    if (d == NULL)
        return err_sys(e, "list the journals of restores");
    for (const struct dirent *en; (en = readdir(d)) != NULL;) {
        struct stat st;

        if (!is_journal(en->d_name) || fstatat(fd, en->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        found = mem_resize(found, n + 1, sizeof(*found));
        found[n++] = (struct listed){mem_string(en->d_name), st.st_mtim};
    }
    if (n > 0)
        qsort(found, n, sizeof(*found), compare_listed);
    names = mem_array(n + 1, sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = found[i].name;
    mem_free(found);
    *out = names;
    *count = n;
    return true;
}
