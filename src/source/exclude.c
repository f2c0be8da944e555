/*
 * A pattern is a row of components in which "**" stands for any number of them.  Between
 * two "**" lies a run; runs are searched from left to right, each as far to the left as it
 * matches, which finds a match whenever there is one because a match need not reach the end
 * of the path: it covers everything below.
 */
#include "source/source.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/glob.h"

#define EXCLUDE_PATTERN_MAX ((size_t)64 << 10)
#define EXCLUDE_FILE_MAX    ((size_t)64 << 20)

struct component {
    struct slice text;
    bool is_any_depth; /* "**" */
    bool is_suffix;    /* "*" and bytes that stand for themselves: text is those */
    bool is_glob;
};

struct pattern {
    char *text; /* what the components point into */
    struct component *components;
    size_t count;
    bool is_negated;
    bool is_anchored;
    bool is_for_directories;
};

struct exclude {
    struct pattern *patterns;
    size_t count, room;
};

struct exclude *exclude_new(void)
{
    return mem_new(sizeof(struct exclude));
}

static void pattern_done(struct pattern *p)
{
    mem_free(p->text);
    mem_free(p->components);
}

static void pattern_auto(struct pattern *p)
{
    pattern_done(p);
}

void exclude_free(struct exclude *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->count; i++)
        pattern_done(&x->patterns[i]);
    mem_free(x->patterns);
    mem_free(x);
}

void exclude_auto(struct exclude **x)
{
    exclude_free(*x);
}

static bool component_parse(struct slice text, struct component *out, const char **why)
{
    if (slice_is_equal(text, slice_string(".")) || slice_is_equal(text, slice_string(".."))) {
        *why = "\".\" and \"..\" match nothing";
        return false;
    }

    const struct slice rest = SLICE_OF(text.data + 1, text.size - 1);

    *out = (struct component){
        .text = text,
        .is_any_depth = slice_is_equal(text, slice_string("**")),
        .is_suffix = text.data[0] == '*' && !glob_is_needed(rest),
        .is_glob = glob_is_needed(text),
    };
    if (out->is_suffix)
        out->text = rest;
    return glob_is_valid(text, why);
}

/* Cut p->text at its slashes. */
static bool pattern_split(struct pattern *p, const char **why)
{
    const char *at = p->text;

    p->components = mem_array(strlen(at) / 2 + 1, sizeof(p->components[0]));
    while (*at != '\0') {
        const size_t size = strcspn(at, "/");
        struct component *c = &p->components[p->count];

        if (size > 0 && !component_parse(SLICE_OF(at, size), c, why))
            return false;
        /* Two "**" in a row are one. */
        if (size > 0 && !(c->is_any_depth && p->count > 0 && c[-1].is_any_depth))
            p->count++;
        at += size + (at[size] == '/');
    }
    return true;
}

/* Leave "**" only between components, where it is the border between two runs. */
static void pattern_trim(struct pattern *p)
{
    struct component *last = &p->components[p->count - 1];

    /* At the end it is everything in a directory but not the directory; a match covers the rest. */
    if (last->is_any_depth) {
        *last = (struct component){.text = {last->text.data, 0}, .is_suffix = true};
    }
    if (p->components[0].is_any_depth) {
        p->is_anchored = false;
        p->count--;
        memmove(p->components, p->components + 1, p->count * sizeof(p->components[0]));
    }
}

static bool pattern_parse(const char *pattern, struct pattern *p, const char **why)
{
    *p = (struct pattern){.is_negated = pattern[0] == '!'};
    if (p->is_negated)
        pattern++;

    const size_t size = strlen(pattern);

    if (size > EXCLUDE_PATTERN_MAX) {
        *why = "it is longer than 64 KiB";
        return false;
    }
    p->text = mem_string(pattern);
    p->is_anchored = pattern[0] == '/';
    p->is_for_directories = size > 0 && pattern[size - 1] == '/';
    if (!pattern_split(p, why))
        return false;
    if (p->count == 0) {
        *why = "it names nothing";
        return false;
    }
    pattern_trim(p);
    return true;
}

bool exclude_add(struct exclude *x, const char *pattern, struct err *e)
{
    AUTO(pattern) struct pattern p = {0};
    const char *why = "";

    if (!pattern_parse(pattern, &p, &why))
        return err_set(e, ERR_USAGE, "pattern \"%s\": %s", pattern, why);
    if (x->count == x->room) {
        x->room = x->room > 0 ? x->room * 2 : 16;
        x->patterns = mem_resize(x->patterns, x->room, sizeof(x->patterns[0]));
    }
    x->patterns[x->count++] = p;
    p = (struct pattern){0};
    return true;
}

/* Cut trailing white space, unless a backslash keeps it. */
static void line_trim(char *line)
{
    size_t size = strlen(line);

    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL &&
           !(size > 1 && line[size - 2] == '\\'))
        size--;
    line[size] = '\0';
}

bool exclude_add_file(struct exclude *x, const char *path, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    if (!file_read(path, EXCLUDE_FILE_MAX, &text, e))
        return false;
    if (memchr(buf_string(&text), '\0', text.size) != NULL)
        return err_set(e, ERR_USAGE, "%s holds a NUL byte: it is no list of patterns", path);

    char *line = (char *)text.data;

    for (size_t number = 1; line != NULL; number++) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end = '\0';
        line_trim(line);
        if (line[0] != '\0' && line[0] != '#' && !exclude_add(x, line, e))
            return err_wrap(e, "%s line %zu", path, number);
        line = end == NULL ? NULL : end + 1;
    }
    return true;
}

/* A place in a path: the components in front of it and the rest. */
struct spot {
    const char *rest; /* at the beginning of a component, or "" */
    size_t depth;
};

static struct spot spot_next(struct spot s, struct slice *component)
{
    const size_t size = strcspn(s.rest, "/");

    *component = SLICE_OF(s.rest, size);
    s.rest += size + (s.rest[size] == '/');
    s.depth++;
    return s;
}

/* Most patterns are a name or an ending such as "*.o"; those need no more than a comparison. */
static bool component_matches(const struct component *c, struct slice name)
{
    if (c->is_suffix)
        return c->text.size <= name.size &&
               memcmp(name.data + name.size - c->text.size, c->text.data, c->text.size) == 0;
    return c->is_glob ? glob_matches(c->text, name) : slice_is_equal(c->text, name);
}

/* Match a run of components at *s and move *s behind it. */
static bool run_matches(const struct component *run, size_t count, struct spot *s)
{
    struct spot at = *s;
    struct slice name = {0};

    for (size_t i = 0; i < count; i++) {
        if (at.rest[0] == '\0')
            return false;
        at = spot_next(at, &name);
        if (!component_matches(&run[i], name))
            return false;
    }
    *s = at;
    return true;
}

static size_t run_length(const struct pattern *p, size_t first)
{
    size_t count = 0;

    while (first + count < p->count && !p->components[first + count].is_any_depth)
        count++;
    return count;
}

/* Does p match path, or a directory above it, with a match deeper than the given components? */
static bool pattern_matches(const struct pattern *p, const char *path, size_t given, bool is_dir)
{
    struct spot at = {path, 0};
    struct slice skipped = {0};

    for (size_t first = 0; first < p->count;) {
        const size_t count = run_length(p, first);
        const bool is_last = first + count == p->count;
        const bool is_fixed = first == 0 && p->is_anchored;
        struct spot end = at;

        while (!run_matches(&p->components[first], count, &end) ||
               (is_last && end.depth <= given)) {
            if (is_fixed || at.rest[0] == '\0')
                return false;
            at = spot_next(at, &skipped);
            end = at;
        }
        at = end;
        first += count + 1;
    }
    return !p->is_for_directories || is_dir || at.rest[0] != '\0';
}

bool exclude_matches_below(const struct exclude *x, const char *path, size_t given, bool is_dir)
{
    for (size_t i = x->count; i-- > 0;)
        if (pattern_matches(&x->patterns[i], path, given, is_dir))
            return !x->patterns[i].is_negated;
    return false;
}

bool exclude_matches(const struct exclude *x, const char *path, bool is_dir)
{
    return exclude_matches_below(x, path, 0, is_dir);
}

/* Could p match path, something above it or something below it? */
static bool pattern_may_match_below(const struct pattern *p, const char *path)
{
    struct spot at = {path, 0};
    struct slice name = {0};

    for (size_t i = 0; p->is_anchored && i < p->count && at.rest[0] != '\0'; i++) {
        if (p->components[i].is_any_depth)
            return true;
        at = spot_next(at, &name);
        if (!component_matches(&p->components[i], name))
            return false;
    }
    return true;
}

bool exclude_may_match_below(const struct exclude *x, const char *path)
{
    for (size_t i = 0; i < x->count; i++)
        if (!x->patterns[i].is_negated && pattern_may_match_below(&x->patterns[i], path))
            return true;
    return false;
}
