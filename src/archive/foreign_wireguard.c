/*
 * Backups of WireGuard Gateway as parts, with a note of what in them could do harm once it is used.
 * That is no error: it may be what the file was made for.
 */
#include <string.h>

#include "archive/foreign_private.h"
#include "archive/iptables_rules.h"
#include "archive/wireguard_conf.h"
#include "archive/wireguard_zip.h"

/* A visitor in front of another. */
struct watch {
    const struct foreign_visitor *to;
    enum wireguard_part part; /* of the file that is being read */
    struct buf name, bytes;   /* its name, and what there is of a .conf file or of rules */
    size_t odd;               /* files that somebody should look at */
    struct err first;
};

static void watch_auto(struct watch *w)
{
    buf_done(&w->name);
    buf_done(&w->bytes);
}

static bool watch_begin(void *arg, const char *name, struct err *e)
{
    struct watch *w = arg;

    (void)wireguard_part_of(name, &w->part); /* all do belong there */
    buf_clear(&w->name);
    buf_printf(&w->name, "%s", name);
    buf_clear(&w->bytes);
    return w->to->begin(w->to->arg, name, e);
}

/* More than the parsers take is not kept: these then say that there is more. */
static bool watch_bytes(void *arg, struct slice piece, struct err *e)
{
    struct watch *w = arg;
    const bool is_text = w->part == WIREGUARD_CONF || w->part == WIREGUARD_RULES;

    if (is_text && w->bytes.size <= IPTABLES_TEXT_MAX)
        buf_append_slice(&w->bytes, piece);
    return w->to->bytes(w->to->arg, piece, e);
}

static bool has_no_commands(struct slice text, struct err *e)
{
    AUTO(wireguard_conf) struct wireguard_conf c = {0};

    if (!wireguard_conf_parse(text, &c, e))
        return false;
    return c.hook_count == 0 ||
           err_set(e, ERR_CORRUPT, "line %u %s (%s)", (unsigned)c.hooks[0].line,
                   c.hooks[0].is_command ? "runs a command" : "has a key that is not known",
                   c.hooks[0].key);
}

static bool are_plain_rules(const char *name, struct slice text, struct err *e)
{
    AUTO(iptables_rules) struct iptables_rules r = {0};

    if (strcmp(name, "iptables_rules.txt") == 0)
        return iptables_rules_parse(text, &r, e);
    return iptables_listing_parse(
        text, strcmp(name, "iptables_nat_rules.txt") == 0 ? IPTABLES_NAT : IPTABLES_FILTER, &r, e);
}

static bool is_plain(struct watch *w, struct err *e)
{
    if (w->part == WIREGUARD_CONF)
        return has_no_commands(buf_slice(&w->bytes), e);
    return w->part != WIREGUARD_RULES ||
           are_plain_rules(buf_string(&w->name), buf_slice(&w->bytes), e);
}

static bool watch_end(void *arg, struct err *e)
{
    struct watch *w = arg;
    struct err why = {0};

    if (!w->to->end(w->to->arg, e))
        return false;
    if (!is_plain(w, &why) && w->odd++ == 0) {
        w->first = why;
        (void)err_wrap(&w->first, "%s", buf_string(&w->name));
    }
    return true;
}

static void note_odd(const struct watch *w, struct foreign_facts *f)
{
    AUTO(buf) struct buf text = {0};

    if (w->odd == 0)
        return;
    buf_printf(&text, "look at %zu file%s before use; ", w->odd, w->odd == 1 ? "" : "s");
    buf_printf(&text, "%s", w->first.text);
    foreign_set_sentence(f->note, buf_string(&text));
}

bool foreign_read_wireguard(const struct foreign_archive *a, const struct foreign_visitor *v,
                            struct foreign_facts *out, struct err *e)
{
    AUTO(wireguard_zip) struct wireguard_zip w = {0};
    AUTO(watch) struct watch watch = {.to = v};
    const struct foreign_visitor watching = {&watch, watch_begin, watch_bytes, watch_end};
    struct foreign_facts f = {0};

    if (!wireguard_zip_open(a->from, &w, e) || !foreign_read_zip(&w.zip, &watching, e))
        return false;
    foreign_set_word(f.version, "1.0");
    foreign_set_word(f.created, w.created_at);
    foreign_set_sentence(f.why,
                         "a zip file with backup_metadata.json of WireGuard Gateway, which lists "
                         "all that is in it");
    note_odd(&watch, &f);
    *out = f;
    return true;
}
