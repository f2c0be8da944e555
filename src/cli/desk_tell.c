#include "cli/desk_tell.h"

#include <math.h>

#include "base/text.h"

enum { CELL_MAX = 200 };

void desk_text(const json_t *o, const char *key, char *out, size_t room)
{
    const json_t *value = json_object_get(o, key);
    const char *text = json_string_value(value);

    text_flatten(text == NULL ? (struct slice){0} : SLICE_OF(text, json_string_length(value)), out,
                 room);
}

uint64_t desk_size(const json_t *o, const char *key)
{
    const json_int_t n = json_integer_value(json_object_get(o, key));

    return n > 0 ? (uint64_t)n : 0;
}

static void add_text(struct table *t, const json_t *o, const char *key)
{
    char text[CELL_MAX];

    desk_text(o, key, text, sizeof(text));
    table_add(t, text);
}

static void print_table(struct output *out, const struct table *t)
{
    AUTO(buf) struct buf text = {0};

    table_print(t, &text);
    output_raw(out, buf_slice(&text));
}

void desk_tell_configs(struct output *out, const json_t *configs)
{
    static const char *const heads[] = {"ID", "Name", "Type", "Schedule", "Enabled"};
    AUTO(table) struct table t = {0};
    const json_t *one;
    size_t i;

    if (json_array_size(configs) == 0) {
        output_line(out, "No backup configurations");
        return;
    }
    table_init(&t, sizeof(heads) / sizeof(heads[0]));
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&t, heads[i]);
    json_array_foreach(configs, i, one)
    {
        add_text(&t, one, "id");
        add_text(&t, one, "name");
        add_text(&t, one, "type");
        add_text(&t, one, "schedule");
        table_add(&t, json_is_true(json_object_get(one, "enabled")) ? "yes" : "no");
    }
    print_table(out, &t);
}

static void add_seconds(struct table *t, const json_t *o, const char *key)
{
    AUTO(buf) struct buf text = {0};
    const double n = json_number_value(json_object_get(o, key));

    buf_printf(&text, "%.1fs", isfinite(n) && n >= 0 && n < 1e12 ? n : 0);
    table_add(t, buf_string(&text));
}

void desk_tell_backups(struct output *out, const json_t *backups)
{
    static const char *const heads[] = {"ID",   "Time",     "Type", "Status",
                                        "Size", "Duration", "Error"};
    AUTO(table) struct table t = {0};
    const json_t *one;
    size_t i;

    if (json_array_size(backups) == 0) {
        output_line(out, "No backups");
        return;
    }
    table_init(&t, sizeof(heads) / sizeof(heads[0]));
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&t, heads[i]);
    json_array_foreach(backups, i, one)
    {
        char size[TEXT_SIZE_MAX];

        size_format(desk_size(one, "size"), size);
        add_text(&t, one, "id");
        add_text(&t, one, "timestamp");
        add_text(&t, one, "type");
        add_text(&t, one, "status");
        table_add(&t, size);
        add_seconds(&t, one, "duration");
        add_text(&t, one, "error");
    }
    print_table(out, &t);
}

static unsigned long long count(const json_t *o, const char *key)
{
    return (unsigned long long)desk_size(o, key);
}

static void tell_size(struct output *out, const char *what, const json_t *o, const char *key)
{
    char text[TEXT_SIZE_MAX];

    size_format(desk_size(o, key), text);
    output_line(out, "%-14s%s", what, text);
}

void desk_tell_stats(struct output *out, const json_t *stats)
{
    const json_t *total = json_object_get(stats, "total");
    const json_t *recent = json_object_get(stats, "recent");
    const json_t *storage = json_object_get(stats, "storage");
    const json_t *configs = json_object_get(stats, "configs");

    output_line(out, "Backups:      %llu, %llu successful, %llu failed; success rate %llu %%",
                count(total, "backups"), count(total, "successful"), count(total, "failed"),
                count(stats, "successRate"));
    output_line(out, "Last 7 days:  %llu, %llu successful, %llu failed", count(recent, "count"),
                count(recent, "successful"), count(recent, "failed"));
    output_line(out, "Duration:     %llus on average", count(total, "avgDuration"));
    tell_size(out, "Size:", total, "size");
    tell_size(out, "  database:", storage, "database");
    tell_size(out, "  files:", storage, "files");
    tell_size(out, "  full:", storage, "full");
    output_line(out, "Configs:      %llu, %llu enabled, %llu disabled", count(configs, "total"),
                count(configs, "enabled"), count(configs, "disabled"));
}
