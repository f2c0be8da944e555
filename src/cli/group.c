#include "cli/group.h"

#include <string.h>

#include "base/text.h"
#include "cli/render.h"

bool grouping_parse(const char *text, struct grouping *out, struct err *e)
{
    struct grouping g = {0};

    for (const char *at = text; *at != '\0';) {
        const size_t size = strcspn(at, ",");

        if (size == 4 && strncmp(at, "host", size) == 0)
            g.by_host = true;
        else if (size == 5 && strncmp(at, "paths", size) == 0)
            g.by_paths = true;
        else if (size == 4 && strncmp(at, "tags", size) == 0)
            g.by_tags = true;
        else if (size > 0)
            return err_set(e, ERR_USAGE,
                           "--group-by: \"%.40s\" is made of none but host, paths, tags", text);
        at += size + (at[size] == ',');
    }
    *out = g;
    return true;
}

static bool is_in(const char *text, char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, texts[i]) == 0)
            return true;
    return false;
}

/* Equal as sets; both are short. */
static bool has_same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (!is_in(a[i], b, b_count))
            return false;
    return true;
}

bool group_is_same(const struct grouping *g, const struct snapshot *a, const struct snapshot *b)
{
    return (!g->by_host || strcmp(a->host, b->host) == 0) &&
           (!g->by_paths || has_same_texts(a->paths, a->path_count, b->paths, b->path_count)) &&
           (!g->by_tags || has_same_texts(a->tags, a->tag_count, b->tags, b->tag_count));
}

void group_format(const struct grouping *g, const struct snapshot *sample, struct buf *out)
{
    const char *gap = "";

    if (g->by_host) {
        buf_printf(out, "host ");
        path_escape(slice_string(sample->host), out);
        gap = ", ";
    }
    if (g->by_paths) {
        buf_printf(out, "%spaths ", gap);
        for (size_t i = 0; i < sample->path_count; i++)
            buf_printf(out, "%s%s", i == 0 ? "" : ", ", sample->paths[i]);
        gap = ", ";
    }
    if (g->by_tags) {
        buf_printf(out, "%stags ", gap);
        texts_join(sample->tags, sample->tag_count, out);
        gap = ", ";
    }
    if (*gap == '\0')
        buf_printf(out, "all hosts and paths");
}

json_t *group_json(const struct grouping *g, const struct snapshot *sample)
{
    json_t *o = json_object();

    json_set_text(o, "hostname", g->by_host ? sample->host : "");
    if (g->by_paths)
        json_set_paths(o, "paths", sample->paths, sample->path_count);
    else
        json_set(o, "paths", json_null());
    json_set(o, "tags", g->by_tags ? json_text_list(sample->tags, sample->tag_count) : json_null());
    return o;
}
