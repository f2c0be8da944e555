/*
 * A configuration with one set and a catalog of its own in SQLite, for tests of what joins the two.
 */
#ifndef TESTS_JOB_CATALOG_WORLD_H
#define TESTS_JOB_CATALOG_WORLD_H

#include <sys/stat.h>

#include "base/mem.h"
#include "catalog/catalog.h"
#include "job/config.h"
#include "notify/notify.h"
#include "support/fixture.h"

#define WORLD_CONFIG                                            \
    "state: /nowhere\n"                                         \
    "repositories:\n"                                           \
    "  main: {url: /srv/main, key_file: /etc/main.key}\n"       \
    "sets:\n"                                                   \
    "  shop:\n"                                                 \
    "    repositories: [main]\n"                                \
    "    sources: [{files: {paths: [/srv/shop]}}]\n"            \
    "    notify: {on_success: ['https://h.example.org/good'], " \
    "on_failure: ['https://h.example.org/bad', 'mailto:o@e.org']}\n"

struct world {
    struct scratch folder;
    struct config *config;
    struct catalog *catalog;
    struct template_set *templates;
};

/* more stands below the set. */
static inline void world_init(struct world *w, const char *more)
{
    AUTO(buf) struct buf text = {0};

    *w = (struct world){0};
    scratch_init(&w->folder);
    buf_printf(&text, "%s%s", WORLD_CONFIG, more);
    CHECK_OK(config_read("test", buf_slice(&text), &w->config, e));
    CHECK_OK(catalog_open(&(struct catalog_options){.state = w->folder.path}, &w->catalog, e));
    CHECK_OK(template_set_load(NULL, &w->templates, e));
}

static inline void world_auto(struct world *w)
{
    template_set_free(w->templates);
    catalog_close(w->catalog);
    config_free(w->config);
    scratch_done(&w->folder);
}

static inline struct catalog_tx *world_read(const struct world *w)
{
    struct catalog_tx *t = NULL;

    CHECK_OK(catalog_begin_read(w->catalog, &t, e));
    return t;
}

static inline size_t world_messages(const struct world *w, int state)
{
    AUTO(arena) struct arena a = {0};
    AUTO(catalog_tx) struct catalog_tx *t = world_read(w);
    struct catalog_message_list list = {0};

    CHECK_OK(catalog_outbox_list(t, state, &(struct catalog_page){.limit = 100}, &a, &list, e));
    return list.count;
}

/* Let as many messages wait as may. */
static inline void world_fill_outbox(const struct world *w)
{
    const struct catalog_message m = {.channel = "mail", .recipient = "o@e.org", .payload = "{}"};
    struct catalog_tx *t = NULL;
    bool is_new = false;

    CHECK_OK(catalog_begin(w->catalog, &t, e));
    for (int i = 0; i < CATALOG_OUTBOX_MAX; i++)
        CHECK_OK(catalog_outbox_add(t, &m, &is_new, e));
    CHECK_OK(catalog_commit(&t, e));
}

#endif
