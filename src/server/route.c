/*
 * The router is a tree of the segments of all paths.  A node knows its words by a sorted array,
 * which is searched by halving, and has at most one child for a parameter.
 */
#include "server/route.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

struct node {
    char *word;          /* NULL: a parameter */
    struct node **words; /* in the order of strcmp() */
    size_t count;
    struct node *parameter;
    bool takes_rest; /* a parameter that is all that is left of the path */
    const struct route *rows[METHODS];
};

struct router {
    struct node root;
};

static const char *const method_names[METHODS] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

const char *method_name(enum method m)
{
    return method_names[m];
}

bool method_parse(const char *name, enum method *out)
{
    for (unsigned m = 0; m < METHODS; m++)
        if (strcmp(name, method_names[m]) == 0) {
            *out = (enum method)m;
            return true;
        }
    return false;
}

static void node_done(struct node *n)
{
    for (size_t i = 0; i < n->count; i++) {
        node_done(n->words[i]);
        mem_free(n->words[i]);
    }
    if (n->parameter != NULL) {
        node_done(n->parameter);
        mem_free(n->parameter);
    }
    mem_free(n->words);
    mem_free(n->word);
}

void router_free(struct router *r)
{
    if (r == NULL)
        return;
    node_done(&r->root);
    mem_free(r);
}

void router_auto(struct router **r)
{
    router_free(*r);
}

/* Where a word is, or would be. */
static size_t node_place(const struct node *n, const char *word, size_t size, bool *is_found)
{
    size_t low = 0;
    size_t high = n->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = slice_compare(slice_string(n->words[middle]->word), SLICE_OF(word, size));

        if (order == 0) {
            *is_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_found = false;
    return low;
}

static struct node *node_word(struct node *n, const char *word, size_t size)
{
    bool is_found;
    const size_t at = node_place(n, word, size, &is_found);

    if (!is_found) {
        struct node *child = mem_new(sizeof(*child));

        child->word = mem_dup(word, size);
        n->words = mem_resize(n->words, n->count + 1, sizeof(struct node *));
        memmove(&n->words[at + 1], &n->words[at], (n->count - at) * sizeof(struct node *));
        n->words[at] = child;
        n->count++;
    }
    return n->words[at];
}

static bool is_word(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (s[i] == '\0' ||
            strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", s[i]) ==
                NULL)
            return false;
    return size > 0 && s[0] != '.';
}

/* Walk down to the node of a path, making what is not there. */
static struct node *node_of(struct node *n, const char *path, struct err *e)
{
    size_t parameters = 0;

    if (path[0] != '/' || strlen(path) > ROUTE_PATH_MAX) {
        (void)err_set(e, ERR_USAGE, "is no path");
        return NULL;
    }
    if (path[1] == '\0')
        return n;
    for (const char *s = path; *s == '/'; s += 1 + strcspn(s + 1, "/")) {
        const char *word = s + 1;
        const size_t size = strcspn(word, "/");
        const bool is_parameter = size > 2 && word[0] == '{' && word[size - 1] == '}';
        const bool is_rest = is_parameter && size > 5 && memcmp(word + size - 4, "...", 3) == 0;

        if (!is_parameter) {
            if (!is_word(word, size)) {
                (void)err_set(e, ERR_USAGE, "has a segment that is neither a word nor a parameter");
                return NULL;
            }
            n = node_word(n, word, size);
            continue;
        }
        if (!is_word(word + 1, size - 2 - (is_rest ? 3 : 0)) ||
            ++parameters > ROUTE_PARAMETERS_MAX || (is_rest && word[size] != '\0')) {
            (void)err_set(e, ERR_USAGE, "has a parameter that is malformed or one too many");
            return NULL;
        }
        if (n->parameter == NULL) {
            n->parameter = mem_new(sizeof(struct node));
            n->parameter->takes_rest = is_rest;
        }
        n = n->parameter;
        if (n->takes_rest != is_rest) {
            (void)err_set(e, ERR_USAGE, "differs from another in what its parameter takes");
            return NULL;
        }
    }
    return n;
}

static const unsigned token_kinds = PRINCIPAL_BIT(PRINCIPAL_API_TOKEN) |
                                    PRINCIPAL_BIT(PRINCIPAL_PUSH_TOKEN) |
                                    PRINCIPAL_BIT(PRINCIPAL_AGENT);
static const unsigned role_kinds =
    PRINCIPAL_BIT(PRINCIPAL_USER) | PRINCIPAL_BIT(PRINCIPAL_API_TOKEN);

/* What is wrong with who may, or NULL. */
static const char *fault_of_callers(const struct route *r)
{
    const bool is_anonymous = (r->kinds & PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)) != 0;

    if (r->kinds == 0 || r->kinds >= PRINCIPAL_BIT(PRINCIPAL_KINDS))
        return "is for nobody, or for kinds that there are not";
    if (r->roles >= ROLE_BIT(CATALOG_ROLES) || (r->roles & ROLE_BIT(ROLE_NONE)) != 0)
        return "names roles that there are not";
    if ((r->kinds & role_kinds) != 0 && r->roles == 0 && !is_anonymous)
        return "is for users but for none of their roles";
    if ((r->kinds & role_kinds) == 0 && r->roles != 0)
        return "names roles but is not for users";
    if ((r->kinds & token_kinds) != 0 && r->scope == NULL && !is_anonymous)
        return "is for tokens but names no scope";
    if (is_anonymous && (r->flags & ROUTE_STEP_UP) != 0)
        return "is for anybody but wants proof of who asks";
    return NULL;
}

/* What else is wrong with a row, or NULL. */
static const char *fault_of(const struct route *r)
{
    const bool is_get = r->method == METHOD_GET;
    const char *fault = fault_of_callers(r);

    if (fault != NULL)
        return fault;
    if (r->handler == NULL)
        return "has no handler";
    if ((is_get || r->method == METHOD_DELETE) && r->body_max != 0)
        return "has a method without a body and takes one";
    if ((r->body_max == 0) != (r->body_type == NULL))
        return "has a limit or a type for the body but not both";
    if (r->body_max == 0 && (r->flags & (ROUTE_STREAM | ROUTE_OPTIONAL_BODY)) != 0)
        return "has no body and says how to read it";
    if ((r->flags & ROUTE_IDEMPOTENT) != 0 && (r->kinds & PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)) != 0)
        return "keeps answers for whoever asks again and is for anybody";
    if (is_get && (r->flags & ROUTE_IDEMPOTENT) != 0)
        return "only reads and takes an Idempotency-Key";
    if (!is_get && (r->kinds & PRINCIPAL_BIT(PRINCIPAL_USER)) != 0 && (r->flags & ROUTE_CSRF) == 0)
        return "changes things for sessions without ROUTE_CSRF";
    if ((r->flags & ROUTE_CSRF) != 0 && (r->flags & ROUTE_ANY_ORIGIN) != 0)
        return "is for pages of this site only and for pages of any site";
    if (!is_get && (r->flags & ROUTE_NO_HEAD) != 0)
        return "has no HEAD that could be refused";
    if ((r->flags & ROUTE_SIGNED) != 0 &&
        (!is_get || (r->kinds & PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)) != 0 ||
         (r->flags & ROUTE_STEP_UP) != 0))
        return "is for links, which only read, are of somebody, and cannot prove it anew";
    return NULL;
}

bool router_new(const struct route *routes, size_t count, struct router **out, struct err *e)
{
    AUTO(router) struct router *r = mem_new(sizeof(*r));

    for (size_t i = 0; i < count; i++) {
        const struct route *row = &routes[i];
        const char *fault =
            row->method >= METHODS || row->path == NULL ? "has no method or path" : fault_of(row);
        struct node *n = NULL;

        if (fault == NULL) {
            n = node_of(&r->root, row->path, e);
            if (n == NULL)
                return err_wrap(e, "route %s %s", method_names[row->method], row->path);
            if (n->rows[row->method] != NULL)
                fault = "is there twice";
        }
        if (fault != NULL)
            return err_set(e, ERR_USAGE, "route %zu (%s) %s", i,
                           row->path == NULL ? "no path" : row->path, fault);
        n->rows[row->method] = row;
    }
    *out = TAKE(r);
    return true;
}

void router_find(const struct router *r, enum method method, char *path, struct route_match *out)
{
    const struct node *n = &r->root;
    char *s = path;

    *out = (struct route_match){0};
    while (n != NULL && *s == '/' && s[1] != '\0') {
        char *word = s + 1;
        const size_t size = strcspn(word, "/");
        bool is_found;
        const size_t at = node_place(n, word, size, &is_found);

        s = word + size;
        if (is_found) {
            n = n->words[at];
            continue;
        }
        n = n->parameter;
        if (n == NULL || size == 0)
            return;
        out->values[out->count++] = word;
        if (n->takes_rest)
            s = word + strlen(word);
    }
    if (n == NULL)
        return;
    for (unsigned m = 0; m < METHODS; m++)
        if (n->rows[m] != NULL)
            out->near = n->rows[m];
    /* A slash at the end is another path, but for the root itself. */
    if (*s == '/' && s != path)
        return;
    for (unsigned m = 0; m < METHODS; m++)
        out->methods |= n->rows[m] != NULL ? 1U << m : 0;
    out->route = n->rows[method];
    /* The values end where the next segment began. */
    for (size_t i = 0; i < out->count && !(i + 1 == out->count && n->takes_rest); i++)
        path[(size_t)(out->values[i] - path) + strcspn(out->values[i], "/")] = '\0';
}

const char *route_parameter(const struct route_match *m, const char *name)
{
    size_t i = 0;

    for (const char *s = strchr(m->route->path, '{'); s != NULL; s = strchr(s + 1, '{')) {
        const size_t size = strcspn(s + 1, ".}");

        if (size == strlen(name) && memcmp(s + 1, name, size) == 0)
            return m->values[i];
        i++;
    }
    return NULL;
}

void route_allow(const struct route_match *m, char *out)
{
    AUTO(buf) struct buf b = {0};

    for (unsigned i = 0; i < METHODS; i++)
        if ((m->methods & 1U << i) != 0)
            buf_printf(&b, "%s%s", b.size == 0 ? "" : ", ",
                       i == METHOD_GET ? "GET, HEAD" : method_names[i]);
    memcpy(out, buf_string(&b), b.size + 1);
}

static bool has_word(const char *words, const char *wanted)
{
    const size_t size = strlen(wanted);

    for (const char *s = words; *s != '\0'; s += strspn(s, " ")) {
        const size_t word = strcspn(s, " ");

        if ((word == 1 && *s == '*') || (word == size && memcmp(s, wanted, size) == 0))
            return true;
        s += word;
    }
    return false;
}

bool principal_has_scope(const struct principal *p, const char *scope)
{
    return has_word(p->scopes, scope);
}

bool principal_has_set(const struct principal *p, const char *set)
{
    return p->sets[0] == '\0' || has_word(p->sets, set);
}

/* Whether a token that is for some sets only may ask: somebody has to look at the set. */
static bool looks_at_sets(const struct route *route)
{
    return (route->flags & ROUTE_CHECKS_SETS) != 0 || strstr(route->path, "{set}") != NULL;
}

enum route_verdict route_decide(const struct route *route, const struct principal *p,
                                int64_t now_ns)
{
    /* What anybody may, everybody may. */
    if ((route->kinds & PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)) != 0)
        return ROUTE_ALLOWED;
    if (p->kind == PRINCIPAL_ANONYMOUS)
        return ROUTE_UNKNOWN_CALLER;
    if ((route->kinds & PRINCIPAL_BIT(p->kind)) == 0)
        return ROUTE_FORBIDDEN;
    if ((role_kinds & PRINCIPAL_BIT(p->kind)) != 0 && (route->roles & ROLE_BIT(p->role)) == 0)
        return ROUTE_FORBIDDEN;
    if ((token_kinds & PRINCIPAL_BIT(p->kind)) != 0 && !principal_has_scope(p, route->scope))
        return ROUTE_FORBIDDEN;
    if (p->sets[0] != '\0' && !looks_at_sets(route))
        return ROUTE_FORBIDDEN;
    if (p->must != NULL && (route->flags & ROUTE_UNSETTLED) == 0)
        return ROUTE_SETTLE_FIRST;
    /* A token cannot prove itself anew; its scope says what it may. */
    if ((route->flags & ROUTE_STEP_UP) != 0 && p->kind == PRINCIPAL_USER &&
        (p->proved_ns == 0 || now_ns - p->proved_ns > ROUTE_STEP_UP_NS || now_ns < p->proved_ns))
        return ROUTE_PROVE_FIRST;
    return ROUTE_ALLOWED;
}
