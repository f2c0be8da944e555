#include "store/sftp_place.h"

#include <string.h>

#include "base/command_split.h"
#include "base/text.h"

static bool is_wrong(const char *text, const char *why, struct err *e)
{
    return err_set(e, ERR_USAGE, "sftp:%s: %s", text, why);
}

static const char *kept(struct arena *a, const char *from, size_t size)
{
    return arena_string(a, SLICE_OF(from, size));
}

/* Take "USER@" and HOST or [HOST] off the front of *text. */
static void take_host(const char **text, struct arena *a, struct sftp_place *p)
{
    const char *at = memrchr(*text, '@', strcspn(*text, ":/["));
    const char *host = at == NULL ? *text : at + 1;
    const char *close = *host == '[' ? strchr(host, ']') : NULL;
    const size_t size = close == NULL ? strcspn(host, ":/") : (size_t)(close - host) - 1;

    if (at != NULL)
        p->user = kept(a, *text, (size_t)(at - *text));
    p->host = kept(a, close == NULL ? host : host + 1, size);
    *text = close == NULL ? host + size : close + 1;
}

static bool is_port(const char *text)
{
    struct err ignored;
    uint64_t n = 0;

    return parse_u64(text, &n, &ignored) && n >= 1 && n <= 65535;
}

static bool parse_url(const char *text, struct arena *a, struct sftp_place *p, struct err *e)
{
    const char *at = text + 2;

    take_host(&at, a, p);
    if (*at == ':') {
        const size_t size = strcspn(++at, "/");

        p->port = kept(a, at, size);
        if (!is_port(p->port))
            return is_wrong(text, "the port is no number from 1 to 65535", e);
        at += size;
    }
    if (*at != '/' && *at != '\0')
        return is_wrong(text, "behind [HOST] stands neither :PORT nor /PATH", e);
    p->path = *at == '\0' ? at : at + 1;
    return true;
}

static bool parse_short(const char *text, struct arena *a, struct sftp_place *p, struct err *e)
{
    const char *at = text;

    take_host(&at, a, p);
    if (*at != ':')
        return is_wrong(text, "write it sftp:USER@HOST:PATH or sftp://USER@HOST:PORT/PATH", e);
    p->path = at + 1;
    return true;
}

/* Nothing that ssh, or the shell of somebody's ProxyCommand, could take for something else. */
static bool is_plain(const char *word)
{
    if (word[0] == '-' || word[0] == '\0')
        return false;
    for (const char *p = word; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("'\"`$\\;&|<>(){}*?!", *p) != NULL)
            return false;
    return true;
}

bool sftp_place_parse(const char *text, struct arena *a, struct sftp_place *out, struct err *e)
{
    struct sftp_place p = {0};

    if (!(strncmp(text, "//", 2) == 0 ? parse_url : parse_short)(text, a, &p, e))
        return false;
    if (!is_plain(p.host))
        return is_wrong(text, "this cannot be the name of a host", e);
    if (p.user != NULL && !is_plain(p.user))
        return is_wrong(text, "this cannot be the name of a user", e);
    if (p.path[0] == '\0')
        return is_wrong(text, "the path is empty", e);
    if (p.path[0] == '~')
        return is_wrong(text,
                        "leave out \"~/\": a path without a slash in front is below the "
                        "user's home",
                        e);
    p.path = kept(a, p.path, strlen(p.path));
    *out = p;
    return true;
}

bool sftp_place_argv(const struct sftp_place *p, const char *args, bool may_ask, struct arena *a,
                     char ***argv, struct err *e)
{
    /* As sftp(1) does: the server gets nothing of ours but its input. */
    static const char *const fixed[] = {"-oForwardX11=no", "-oForwardAgent=no",
                                        "-oPermitLocalCommand=no", "-oClearAllForwardings=yes",
                                        "-oServerAliveInterval=30"};
    enum { FIXED = sizeof(fixed) / sizeof(fixed[0]), OTHERS = 12 };
    char **given = NULL;
    size_t given_count = 0;
    size_t n = 0;

    if (args != NULL && !command_split(args, a, &given, e))
        return err_wrap(e, "sftp.args");
    while (given != NULL && given[given_count] != NULL)
        given_count++;

    char **all = arena_take(a, (given_count + FIXED + OTHERS) * sizeof(*all));

    all[n++] = arena_string(a, slice_string("ssh"));
    for (size_t i = 0; i < given_count; i++)
        all[n++] = given[i];
    for (size_t i = 0; i < FIXED; i++)
        all[n++] = arena_string(a, slice_string(fixed[i]));
    if (!may_ask)
        all[n++] = arena_string(a, slice_string("-oBatchMode=yes"));
    if (p->port != NULL) {
        all[n++] = arena_string(a, slice_string("-p"));
        all[n++] = arena_string(a, slice_string(p->port));
    }
    if (p->user != NULL) {
        all[n++] = arena_string(a, slice_string("-l"));
        all[n++] = arena_string(a, slice_string(p->user));
    }
    all[n++] = arena_string(a, slice_string("-s"));
    all[n++] = arena_string(a, slice_string("--"));
    all[n++] = arena_string(a, slice_string(p->host));
    all[n++] = arena_string(a, slice_string("sftp"));
    all[n] = NULL;
    *argv = all;
    return true;
}
