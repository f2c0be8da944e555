#include "archive/wireguard_conf.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const char *const commands[] = {"preup", "postup", "predown", "postdown"};

/* Of [Interface] for wg and wg-quick, and of [Peer]. */
static const char *const known[] = {
    "address",
    "dns",
    "mtu",
    "table",
    "saveconfig",
    "privatekey",
    "listenport",
    "fwmark",
    "publickey",
    "presharedkey",
    "allowedips",
    "endpoint",
    "persistentkeepalive",
};

void wireguard_conf_auto(struct wireguard_conf *c)
{
    mem_free(c->hooks);
    buf_done(&c->held);
}

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_word(struct slice s, const char *word)
{
    if (s.size != strlen(word))
        return false;
    for (size_t i = 0; i < s.size; i++)
        if (lower(s.data[i]) != word[i])
            return false;
    return true;
}

static bool is_one_of(struct slice s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_word(s, words[i]))
            return true;
    return false;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(struct slice s)
{
    while (s.size > 0 && is_blank(s.data[0]))
        s = SLICE_OF(s.data + 1, s.size - 1);
    while (s.size > 0 && is_blank(s.data[s.size - 1]))
        s.size--;
    return s;
}

/* Up to the first c, which is left out; all of it when there is none. */
static struct slice before(struct slice s, uint8_t c)
{
    const uint8_t *found = s.size > 0 ? memchr(s.data, c, s.size) : NULL;

    return found != NULL ? SLICE_OF(s.data, (size_t)(found - s.data)) : s;
}

static bool wrong(uint32_t line, const char *why, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "line %u %s", (unsigned)line, why);
}

static bool note(struct wireguard_conf *c, uint32_t line, struct slice key, struct slice value,
                 struct err *e)
{
    struct wireguard_hook *h;
    const bool is_command = is_one_of(key, commands, sizeof(commands) / sizeof(commands[0]));

    if (!is_command && is_one_of(key, known, sizeof(known) / sizeof(known[0])))
        return true;
    if (c->hook_count == WIREGUARD_HOOKS_MAX)
        return wrong(line, "is one command too many", e);
    if (c->hooks == NULL)
        c->hooks = mem_array(WIREGUARD_HOOKS_MAX, sizeof(c->hooks[0]));
    h = &c->hooks[c->hook_count++];
    h->line = line;
    h->is_command = is_command;
    text_flatten(key, h->key, sizeof(h->key));
    text_flatten(value, h->command, sizeof(h->command));
    return true;
}

/* What somebody has to have agreed to; SaveConfig lets wg-quick write the file anew. */
static void hold(struct wireguard_conf *c, struct slice key, struct slice line)
{
    if (is_one_of(key, known, sizeof(known) / sizeof(known[0])) && !is_word(key, "saveconfig"))
        return;
    buf_append_slice(&c->held, line);
    buf_put_u8(&c->held, '\n');
}

static bool read_section(struct wireguard_conf *c, uint32_t line, struct slice name, struct err *e)
{
    if (is_word(name, "[interface]"))
        c->interfaces++;
    else if (is_word(name, "[peer]"))
        c->peers++;
    else
        return wrong(line, "is a section that is not known", e);
    return c->interfaces <= 1 || wrong(line, "is a second [Interface]", e);
}

static bool read_line(struct wireguard_conf *c, uint32_t line, struct slice text, struct err *e)
{
    const struct slice whole = trim(before(text, '#'));
    const struct slice key = trim(before(whole, '='));

    if (text.size > WIREGUARD_LINE_MAX)
        return wrong(line, "is too long", e);
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] < ' ' && !is_blank(text.data[i])) || text.data[i] == 0x7f)
            return wrong(line, "holds a control character", e);
    if (whole.size == 0)
        return true;
    if (whole.data[0] == '[')
        return read_section(c, line, whole, e);
    if (key.size == 0 || key.size == whole.size)
        return wrong(line, "is neither a section nor \"key = value\"", e);
    if (c->interfaces + c->peers == 0)
        return wrong(line, "stands in front of the first section", e);

    /* The value up to the end of the line: wg-quick would cut it at '#', a reader wants all. */
    const size_t used = (size_t)(key.data + key.size - text.data);
    const struct slice rest = before(SLICE_OF(text.data + used, text.size - used), '=');
    const size_t skip = used + rest.size + 1;

    hold(c, key, text);
    return note(c, line, key, trim(SLICE_OF(text.data + skip, text.size - skip)), e);
}

bool wireguard_conf_parse(struct slice text, struct wireguard_conf *out, struct err *e)
{
    AUTO(wireguard_conf) struct wireguard_conf c = {0};
    uint32_t line = 0;

    if (text.size > WIREGUARD_CONF_MAX)
        return err_set(e, ERR_CORRUPT, "it is longer than 1 MiB");
    if (!utf8_is_valid(text))
        return err_set(e, ERR_CORRUPT, "it is not UTF-8");
    while (text.size > 0) {
        const struct slice one = before(text, '\n');
        const size_t used = one.size < text.size ? one.size + 1 : one.size;

        if (!read_line(&c, ++line, one, e))
            return false;
        text = SLICE_OF(text.data + used, text.size - used);
    }
    if (c.interfaces != 1 || c.peers == 0)
        return err_set(e, ERR_CORRUPT, "it lacks [Interface] or [Peer]");
    *out = c;
    c = (struct wireguard_conf){0};
    return true;
}
