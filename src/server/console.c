#include "server/console.h"

#include <assert.h>
#include <string.h>

#include "server/reply.h"

#define ANYBODY PRINCIPAL_BIT(PRINCIPAL_ANONYMOUS)

/* Whether a list such as "gzip, deflate, br" has gzip.  With a weight it does not count: whoever
 * gives one takes plain bytes, too. */
static bool takes_gzip(const char *list)
{
    for (const char *s = list; s != NULL && *s != '\0'; s += *s == ',') {
        s += strspn(s, " \t");

        const size_t size = strcspn(s, ",");
        const size_t word = strcspn(s, ", \t");

        if (word == 4 && memcmp(s, "gzip", 4) == 0)
            return true;
        s += size;
    }
    return false;
}

static const struct console_file *find_file(const char *name)
{
    for (size_t i = 0; i < console_file_count; i++)
        if (strcmp(console_files[i].name, name) == 0)
            return &console_files[i];
    return NULL;
}

static void reply_console(struct request *r, const struct console_file *f, const char *cache)
{
    const bool is_packed = takes_gzip(request_header(r, "Accept-Encoding"));

    reply_header(r, "Cache-Control", cache);
    reply_header(r, "Vary", "Accept-Encoding");
    if (reply_is_known(r, is_packed ? f->gzip_tag : f->tag))
        return;
    if (is_packed)
        reply_header(r, "Content-Encoding", "gzip");
    reply_bytes(r, 200, f->type, is_packed ? f->gzip : f->plain);
}

/* Asked for each time, so that a new program brings its new page. */
static void get_page(struct request *r)
{
    const struct console_file *page = find_file("");

    assert(page != NULL);
    reply_console(r, page, "no-cache");
}

static void get_file(struct request *r)
{
    const struct console_file *f = find_file(request_parameter(r, "file"));

    if (f == NULL)
        reply_problem(r, 404, "not_found", "the console has no such file");
    else
        reply_console(r, f, "public, max-age=31536000, immutable");
}

const struct route console_routes[] = {
    {METHOD_GET, "/", ANYBODY, .flags = ROUTE_CACHEABLE, .handler = get_page,
     .summary = "The console"},
    {METHOD_GET, "/assets/{file}", ANYBODY, .flags = ROUTE_CACHEABLE, .handler = get_file,
     .summary = "What the console loads"},
};
const size_t console_route_count = sizeof(console_routes) / sizeof(console_routes[0]);
