#include "source/command_journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"
#include "source/argv.h"

#define FORMAT    1
#define READ_STEP ((size_t)64 << 10)

static const char suffix[] = ".journal";

void command_journal_auto(struct command_journal *j)
{
    fd_auto(&j->fd); /* the lock goes with it */
    fd_auto(&j->folder_fd);
    mem_free(j->path);
}

static const char *name_of(const struct command_journal *j)
{
    return strrchr(j->path, '/') + 1;
}

static char *path_of(const char *folder, const char *file)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "%s/%s", folder, file);
    return mem_string(buf_string(&path));
}

static void print(const struct command_options *o, struct slice state, struct buf *out)
{
    struct hash sum;
    char digits[2 * HASH_SIZE + 1];
    char saved[CLOCK_TEXT_MAX];

    sha256(state, &sum);
    hex_encode(SLICE_OF(sum.bytes, HASH_SIZE), digits);
    clock_format(clock_now_ns(), saved);

    AUTO(json)
    json_t *j = json_pack("{s:i, s:s, s:o, s:o, s:I, s:s, s:I, s:s}", "format", FORMAT, "name",
                          o->name, "apply", argv_to_json(o->apply), "environment",
                          argv_to_json(o->environment), "timeout_ms", (json_int_t)o->timeout_ms,
                          "saved", saved, "bytes", (json_int_t)state.size, "sha256", digits);

    json_append(j, out);
    buf_append(out, "\n", 1);
    buf_append_slice(out, state);
}

/* Open the file and lock it; *is_free is false when it is locked or was removed meanwhile. */
static bool open_locked(struct command_journal *j, bool *is_free, struct err *e)
{
    struct stat st;

    j->fd = openat(j->folder_fd, name_of(j), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (j->fd < 0 && errno == ENOENT) {
        *is_free = false;
        return true;
    }
    if (j->fd < 0)
        return err_sys(e, "open journal %s", j->path);
    *is_free = flock(j->fd, LOCK_EX | LOCK_NB) == 0;
    if (!*is_free)
        return errno == EWOULDBLOCK ? true : err_sys(e, "lock journal %s", j->path);
    if (fstat(j->fd, &st) < 0)
        return err_sys(e, "journal %s", j->path);
    *is_free = st.st_nlink > 0;
    if (*is_free && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0))
        return err_set(
            e, ERR_DENIED,
            "journal %s is not a file that only its owner can use: its program is not run",
            j->path);
    return true;
}

static void hand_over(struct command_journal *j, struct command_journal *out)
{
    *out = *j;
    *j = COMMAND_JOURNAL_NONE;
}

/* A journal that was published in vain must not take anything back later.  Returns false. */
static bool withdraw(const struct command_journal *j, struct err *e)
{
    struct err failure = {0};

    return file_remove(j->folder_fd, name_of(j), &failure) ? false
                                                           : err_wrap(e, "%s", failure.text);
}

static bool publish(struct command_journal *j, struct slice content, const char *temporary,
                    struct err *e)
{
    bool is_suspect = false;
    bool is_free = false;

    if (!file_publish(j->folder_fd, name_of(j), temporary, content, &is_suspect, e)) {
        (void)err_wrap(e, "keep the present state in %s", j->path);
        return is_suspect &&
               withdraw(j, e); /* its name may be there although that is not durable */
    }
    if (!open_locked(j, &is_free, e))
        return withdraw(j, e);
    return is_free || err_set(e, ERR_EXISTS, "journal %s was taken by another process", j->path);
}

bool command_journal_begin(const struct command_options *o, const char *folder, struct slice state,
                           struct command_journal *out, struct err *e)
{
    AUTO(command_journal) struct command_journal j = COMMAND_JOURNAL_NONE;
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf temporary = {0};
    AUTO(buf) struct buf content = {0};

    buf_printf(&file, "%s%s", o->name, suffix);
    buf_printf(&temporary, "%s.tmp", o->name);
    j.path = path_of(folder, buf_string(&file));
    print(o, state, &content);
    if (!dir_make_all(folder, 0700, e) || !dir_open(folder, &j.folder_fd, e) ||
        !publish(&j, buf_slice(&content), buf_string(&temporary), e))
        return false;
    hand_over(&j, out);
    return true;
}

bool command_journal_remove(const struct command_journal *j, struct err *e)
{
    if (!file_remove(j->folder_fd, name_of(j), e) || !dir_sync(j->folder_fd, j->path, e))
        return err_wrap(e, "remove journal %s", j->path);
    return true;
}

bool command_journal_open(const char *folder, const char *file, struct command_journal *out,
                          bool *is_free, struct err *e)
{
    AUTO(command_journal) struct command_journal j = COMMAND_JOURNAL_NONE;

    j.path = path_of(folder, file);
    if (!dir_open(folder, &j.folder_fd, e) || !open_locked(&j, is_free, e))
        return false;
    hand_over(&j, out);
    return true;
}

static bool read_all(const struct command_journal *j, struct buf *out, struct err *e)
{
    size_t got = 0;

    do {
        const size_t size = out->size;

        if (!fd_read(j->fd, buf_extend(out, READ_STEP), READ_STEP, &got, e))
            return err_wrap(e, "journal %s", j->path);
        out->size = size + got;
    } while (got == READ_STEP);
    return true;
}

/* The members of the first line; the state must be what they say. */
static bool take_members(const json_t *j, struct command_saved *s)
{
    const json_t *timeout = json_object_get(j, "timeout_ms");
    const json_t *bytes = json_object_get(j, "bytes");
    const char *name = json_string_value(json_object_get(j, "name"));
    const char *digits = json_string_value(json_object_get(j, "sha256"));
    struct hash sum;
    struct hash wanted;

    sha256(s->state, &sum);
    if (json_integer_value(json_object_get(j, "format")) != FORMAT || name == NULL ||
        !json_is_integer(timeout) || json_integer_value(timeout) < 0 || digits == NULL ||
        !hex_decode(digits, wanted.bytes, HASH_SIZE) || !hash_is_equal(&sum, &wanted) ||
        !json_is_integer(bytes) || (uint64_t)json_integer_value(bytes) != s->state.size)
        return false;
    s->name = mem_string(name);
    s->timeout_ms = (uint64_t)json_integer_value(timeout);
    return argv_from_json(json_object_get(j, "apply"), &s->apply) && s->apply != NULL &&
           argv_from_json(json_object_get(j, "environment"), &s->environment);
}

bool command_journal_read(const struct command_journal *j, struct command_saved *out, struct err *e)
{
    AUTO(command_saved) struct command_saved s = {0};

    if (!read_all(j, &s.file, e))
        return false;

    const uint8_t *data = s.file.data;
    const uint8_t *end = memchr(data, '\n', s.file.size);
    const size_t line = end == NULL ? s.file.size : (size_t)(end - data) + 1;
    AUTO(json) json_t *parsed = json_loadb((const char *)data, line, JSON_REJECT_DUPLICATES, NULL);

    s.state = SLICE_OF(data + line, s.file.size - line);
    if (parsed == NULL || !take_members(parsed, &s))
        return err_set(e, ERR_CORRUPT, "journal %s is damaged", j->path);
    *out = s;
    s = (struct command_saved){0};
    return true;
}

void command_saved_auto(struct command_saved *s)
{
    mem_free(s->name);
    argv_free(s->apply);
    argv_free(s->environment);
    buf_done(&s->file);
}

static bool is_journal(const char *name)
{
    const size_t length = strlen(name);
    const size_t tail = sizeof(suffix) - 1;

    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

static void folder_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d); /* nothing was written */
}

bool command_journal_list(const char *folder, char ***out, struct err *e)
{
    AUTO(folder) DIR *d = opendir(folder);
    AUTO(argv) char **names = mem_array(1, sizeof(*names));
    size_t count = 0;

    if (d == NULL && errno != ENOENT)
        return err_sys(e, "open directory %s", folder);
    while (d != NULL) {
        errno = 0;

        const struct dirent *entry = readdir(d);

        if (entry == NULL && errno != 0)
            return err_sys(e, "read directory %s", folder);
        if (entry == NULL)
            break;
        if (!is_journal(entry->d_name))
            continue;
        names = mem_resize(names, count + 2, sizeof(*names));
        names[count++] = mem_string(entry->d_name);
        names[count] = NULL;
    }
    *out = TAKE(names);
    return true;
}
