/* Configurations of tests: texts that most have in common, and what comes of them. */
#ifndef TESTS_JOB_CONFIG_WORLD_H
#define TESTS_JOB_CONFIG_WORLD_H

#include <string.h>
#include <sys/stat.h>

#include "job/job.h"
#include "support/fixture.h"

/* Two repositories on lines 1 to 3; what tests append begins on line 4. */
#define HEAD                                                   \
    "repositories:\n"                                          \
    "  main: {url: /srv/main, password_file: /etc/main.key}\n" \
    "  away: {url: 's3:https://h/b', password_command: [pass, show, away]}\n"

/* A set on lines 4 to 8 with one source; what tests append belongs to the set, from line 9 on. */
#define SET                           \
    HEAD "sets:\n"                    \
         "  shop:\n"                  \
         "    repositories: [main]\n" \
         "    sources:\n"             \
         "    - sqlite: {path: /srv/app.db}\n"

/* A file of this text that only we may change, in a new directory. */
static inline const char *put(struct scratch *s, const char *text)
{
    scratch_init(s);

    const char *path = path_in(s->path, "holdfast.yaml");

    file_put_text(path, text);
    CHECK(chmod(path, 0600) == 0);
    return path;
}

static inline struct config *load(const char *text)
{
    AUTO(scratch) struct scratch s = {0};
    struct config *c = NULL;

    CHECK_OK(config_load(put(&s, text), &c, e));
    return c;
}

/* "LINE: sentence" behind the name of the file; sentence may be a beginning. */
static inline void check_refused(const char *text, const char *wanted)
{
    AUTO(scratch) struct scratch s = {0};
    AUTO(config) struct config *c = NULL;
    AUTO(buf) struct buf full = {0};
    const char *path = put(&s, text);
    struct err e = {0};

    buf_printf(&full, "%s:%s", path, wanted);
    ck_assert_msg(!config_load(path, &c, &e), "accepted:\n%s", text);
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strncmp(e.text, buf_string(&full), full.size) == 0, "%s\ninstead of\n%s", e.text,
                  buf_string(&full));
}

struct row {
    const char *text, *wanted;
};

static inline void check_rows(const char *head, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf text = {0};

        buf_printf(&text, "%s%s\n", head, rows[i].text);
        check_refused(buf_string(&text), rows[i].wanted);
    }
}

#define CHECK_ROWS(head, ...)                                        \
    do {                                                             \
        const struct row rows_[] = {__VA_ARGS__};                    \
        check_rows((head), rows_, sizeof(rows_) / sizeof(rows_[0])); \
    } while (0)

static inline void check_texts(const struct texts *t, const char *wanted)
{
    AUTO(buf) struct buf all = {0};

    for (size_t i = 0; i < t->count; i++)
        buf_printf(&all, "%s|", t->items[i]);
    ck_assert_str_eq(buf_string(&all), wanted);
    CHECK(t->count == 0 ? t->items == NULL : t->items[t->count] == NULL);
}

#endif
