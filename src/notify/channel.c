#include "notify/channel.h"

#include <string.h>

#include "notify/mail.h"
#include "notify/outbound.h"

static const char *const kind_names[] = {
    [CHANNEL_MAIL] = "mail",       [CHANNEL_WEBHOOK] = "webhook",     [CHANNEL_SLACK] = "slack",
    [CHANNEL_DISCORD] = "discord", [CHANNEL_HEARTBEAT] = "heartbeat",
};
enum { KIND_COUNT = sizeof(kind_names) / sizeof(kind_names[0]) };

const char *channel_kind_name(enum channel_kind kind)
{
    return kind_names[kind];
}

bool channel_kind_parse(const char *name, enum channel_kind *out)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(kind_names[i], name) == 0) {
            *out = (enum channel_kind)i;
            return true;
        }
    return false;
}

/* Take "slack+" and its like off the front. */
static void preset_take(struct channel *c)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const size_t size = strlen(kind_names[i]);

        if (i != CHANNEL_MAIL && strncmp(c->target, kind_names[i], size) == 0 &&
            c->target[size] == '+') {
            c->kind = (enum channel_kind)i;
            c->target += size + 1;
            return;
        }
    }
}

bool channel_parse(const char *text, struct channel *out, struct err *e)
{
    static const char mailto[] = "mailto:";
    static const struct outbound_settings none = {0};
    const bool is_marked = strncmp(text, mailto, sizeof(mailto) - 1) == 0;
    struct channel c = {CHANNEL_WEBHOOK, text};
    struct outbound_place ignored;

    if (is_marked || strstr(text, "://") == NULL) {
        c = (struct channel){CHANNEL_MAIL, is_marked ? text + sizeof(mailto) - 1 : text};
        if (!mail_address_check(c.target, e))
            return err_set(e, ERR_USAGE, "it is neither mailto:NAME@HOST nor an address of https");
    } else {
        preset_take(&c);
        if (!outbound_place_parse(&none, c.target, &ignored, e) && e->code == ERR_USAGE)
            return err_wrap(e, "the address of a %s", kind_names[c.kind]);
    }
    *out = c;
    return true;
}
