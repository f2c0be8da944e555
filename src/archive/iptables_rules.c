#include "archive/iptables_rules.h"

#include <stdlib.h>
#include <string.h>

#include "archive/iptables_words.h"
#include "base/mem.h"
#include "base/text.h"

static const char *const table_names[IPTABLES_TABLES] = {"filter", "nat"};

const char *iptables_table_name(enum iptables_table t)
{
    return table_names[t];
}

void iptables_rules_done(struct iptables_rules *r)
{
    for (int t = 0; t < IPTABLES_TABLES; t++) {
        struct iptables_part *p = &r->tables[t];

        for (size_t i = 0; i < p->rule_count; i++)
            mem_free(p->rules[i].words);
        mem_free(p->rules);
        mem_free(p->chains);
    }
    arena_done(&r->texts);
}

void iptables_rules_auto(struct iptables_rules *r)
{
    iptables_rules_done(r);
}

/* A text on its way. */
struct reading {
    struct iptables_rules rules;
    struct iptables_part *part; /* the table that lines belong to; NULL between tables */
    enum iptables_table table;
    bool is_listing; /* what -S prints */
    const char *words[IPTABLES_WORDS_MAX + 2];
    size_t count;
};

static void reading_auto(struct reading *r)
{
    iptables_rules_done(&r->rules);
}

static bool wrong(const char *why, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "%s", why);
}

/* Words */

/* Up to the next blank. */
static size_t plain_size(struct slice s)
{
    size_t n = 0;

    while (n < s.size && s.data[n] != ' ')
        n++;
    return n;
}

/* Behind a quotation mark, up to the next; a byte behind a backslash means itself. */
static bool take_quoted(struct slice *s, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < s->size; i++) {
        if (s->data[i] == '"') {
            *s = SLICE_OF(s->data + i + 1, s->size - i - 1);
            return s->size == 0 || s->data[0] == ' ' || wrong("goes on behind a quoted text", e);
        }
        if (s->data[i] == '\\' && ++i == s->size)
            break;
        buf_append(out, &s->data[i], 1);
    }
    return wrong("has a quoted text without an end", e);
}

static bool take_plain(struct slice *s, struct buf *out, struct err *e)
{
    const size_t size = plain_size(*s);

    for (size_t i = 0; i < size; i++)
        if (s->data[i] == '"' || s->data[i] == '\'' || s->data[i] == '\\')
            return wrong("has a quotation mark or a backslash inside a word", e);
    buf_append(out, s->data, size);
    *s = SLICE_OF(s->data + size, s->size - size);
    return true;
}

/* Divide a line at single blanks. */
static bool read_words(struct reading *r, struct slice line, struct err *e)
{
    for (r->count = 0; line.size > 0;) {
        AUTO(buf) struct buf word = {0};

        if (r->count == sizeof(r->words) / sizeof(r->words[0]))
            return wrong("has too many words", e);
        if (line.data[0] == '"') {
            line = SLICE_OF(line.data + 1, line.size - 1);
            if (!take_quoted(&line, &word, e))
                return false;
        } else if (!take_plain(&line, &word, e)) {
            return false;
        }
        if (word.size == 0)
            return wrong("has an empty word", e);
        r->words[r->count++] = arena_string(&r->rules.texts, buf_slice(&word));
        while (line.size > 0 && line.data[0] == ' ')
            line = SLICE_OF(line.data + 1, line.size - 1);
    }
    return true;
}

/* Chains and rules */

/* Arrays grow by doubling: room is the power of two from count on. */
static bool is_full(size_t count)
{
    return (count & (count - 1)) == 0;
}

static const struct iptables_chain *chain_find(const struct iptables_part *p, const char *name)
{
    for (size_t i = 0; i < p->chain_count; i++)
        if (strcmp(p->chains[i].name, name) == 0)
            return &p->chains[i];
    return NULL;
}

static bool add_chain(struct reading *r, const struct iptables_chain *c, struct err *e)
{
    struct iptables_part *p = r->part;
    const bool is_own = strcmp(c->policy, "-") == 0;

    if (iptables_chain_is_built_in(r->table, c->name)) {
        if (is_own || (strcmp(c->policy, "ACCEPT") != 0 && strcmp(c->policy, "DROP") != 0))
            return wrong("gives a chain a policy that is none", e);
    } else if (!is_own) {
        return wrong("gives a policy to a chain that has none", e);
    } else if (!iptables_chain_check(c->name, e)) {
        return false;
    }
    if (p->rule_count > 0)
        return wrong("declares a chain behind a rule", e);
    if (chain_find(p, c->name) != NULL)
        return wrong("declares a chain once more", e);
    if (p->chain_count == IPTABLES_CHAINS_MAX)
        return wrong("is one chain too many", e);
    if (is_full(p->chain_count))
        p->chains =
            mem_resize(p->chains, p->chain_count == 0 ? 1 : 2 * p->chain_count, sizeof(*p->chains));
    p->chains[p->chain_count++] = *c;
    return true;
}

static bool add_rule(struct reading *r, struct err *e)
{
    struct iptables_part *p = r->part;
    const size_t count = r->count - 2;
    const char *jump = NULL;
    struct iptables_rule *rule;

    if (chain_find(p, r->words[1]) == NULL)
        return wrong("adds to a chain that is not declared", e);
    if (!iptables_words_check(r->table, r->words + 2, count, &jump, e))
        return false;
    if (jump != NULL && !r->is_listing &&
        (chain_find(p, jump) == NULL || strcmp(jump, r->words[1]) == 0))
        return wrong("goes to a chain that is not declared, or to its own", e);
    if (p->rule_count == IPTABLES_RULES_MAX)
        return wrong("is one rule too many", e);
    if (is_full(p->rule_count))
        p->rules =
            mem_resize(p->rules, p->rule_count == 0 ? 1 : 2 * p->rule_count, sizeof(*p->rules));
    rule = &p->rules[p->rule_count++];
    *rule = (struct iptables_rule){r->words[1], mem_array(count, sizeof(*rule->words)), count};
    for (size_t i = 0; i < count; i++)
        rule->words[i] = r->words[i + 2];
    return true;
}

/* Lines */

/* A number and what stands behind it, in "[12:345]". */
static bool take_count(const char **at, char end, uint64_t *out)
{
    const size_t size = strspn(*at, "0123456789");
    AUTO(mem) char *digits = mem_dup(*at, size);
    struct err ignored;

    if (size == 0 || (*at)[size] != end || !parse_u64(digits, out, &ignored))
        return false;
    *at += size + 1;
    return true;
}

/* ":INPUT ACCEPT [12:345]" */
static bool read_chain(struct reading *r, struct err *e)
{
    struct iptables_chain c = {0};
    const char *at;

    if (r->count != 3)
        return wrong("is no chain with a policy and two numbers", e);
    c.name = r->words[0] + 1;
    c.policy = r->words[1];
    at = r->words[2];
    if (*at++ != '[' || !take_count(&at, ':', &c.packets) || !take_count(&at, ']', &c.bytes) ||
        *at != '\0')
        return wrong("is no chain with a policy and two numbers", e);
    return add_chain(r, &c, e);
}

static bool begin_table(struct reading *r, const char *name, struct err *e)
{
    char shown[40];

    for (int t = 0; t < IPTABLES_TABLES; t++) {
        if (strcmp(table_names[t], name) != 0)
            continue;
        r->table = (enum iptables_table)t;
        r->part = &r->rules.tables[t];
        if (r->part->is_there)
            return wrong("begins a table once more", e);
        r->part->is_there = true;
        return true;
    }
    text_flatten(slice_string(name), shown, sizeof(shown));
    return err_set(e, ERR_CORRUPT,
                   "begins the table \"%s\": only filter and nat are restored, and a restore must "
                   "not leave out a part without a word",
                   shown);
}

/* Of iptables-save. */
static bool read_saved(struct reading *r, struct err *e)
{
    const char *first = r->words[0];

    if (r->part == NULL)
        return first[0] == '*' && r->count == 1 ? begin_table(r, first + 1, e)
                                                : wrong("stands in no table", e);
    if (r->count == 1 && strcmp(first, "COMMIT") == 0) {
        r->part = NULL;
        return true;
    }
    if (first[0] == ':')
        return read_chain(r, e);
    if (strcmp(first, "-A") == 0 && r->count >= 2)
        return add_rule(r, e);
    return wrong("is neither a chain, a rule nor COMMIT", e);
}

/* Of -S. */
static bool read_listed(struct reading *r, struct err *e)
{
    const char *first = r->words[0];

    if (strcmp(first, "-P") == 0 && r->count == 3)
        return add_chain(r, &(struct iptables_chain){.name = r->words[1], .policy = r->words[2]},
                         e);
    if (strcmp(first, "-N") == 0 && r->count == 2)
        return add_chain(r, &(struct iptables_chain){.name = r->words[1], .policy = "-"}, e);
    if (strcmp(first, "-A") == 0 && r->count >= 2)
        return add_rule(r, e);
    return wrong("is neither a policy, a chain nor a rule", e);
}

static bool read_line(struct reading *r, struct slice line, struct err *e)
{
    if (line.size > IPTABLES_LINE_MAX)
        return wrong("is too long", e);
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] < ' ' || line.data[i] > '~')
            return wrong("holds a byte that is no printable ASCII", e);
    if (line.size == 0 || line.data[0] == '#')
        return true;
    if (line.data[0] == ' ')
        return wrong("begins with a blank", e);
    return read_words(r, line, e) && (r->is_listing ? read_listed(r, e) : read_saved(r, e));
}

static bool read_lines(struct reading *r, struct slice text, struct err *e)
{
    if (text.size > IPTABLES_TEXT_MAX)
        return err_set(e, ERR_CORRUPT, "the rules are longer than 4 MiB");
    for (unsigned line = 1; text.size > 0; line++) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        const size_t size = end != NULL ? (size_t)(end - text.data) : text.size;

        if (!read_line(r, SLICE_OF(text.data, size), e))
            return err_wrap(e, "line %u of the rules", line);
        text = SLICE_OF(text.data + size + (end != NULL), text.size - size - (end != NULL));
    }
    return true;
}

static void hand_over(struct reading *r, struct iptables_rules *out)
{
    *out = r->rules;
    r->rules = (struct iptables_rules){0};
}

bool iptables_rules_parse(struct slice text, struct iptables_rules *out, struct err *e)
{
    AUTO(reading) struct reading r = {0};

    if (!read_lines(&r, text, e))
        return false;
    if (r.part != NULL)
        return err_set(e, ERR_CORRUPT, "the rules end within a table, without COMMIT");
    if (!r.rules.tables[IPTABLES_FILTER].is_there && !r.rules.tables[IPTABLES_NAT].is_there)
        return err_set(e, ERR_CORRUPT, "the rules hold no table");
    hand_over(&r, out);
    return true;
}

bool iptables_listing_parse(struct slice text, enum iptables_table table,
                            struct iptables_rules *out, struct err *e)
{
    AUTO(reading) struct reading r = {.table = table, .is_listing = true};

    r.part = &r.rules.tables[table];
    r.part->is_there = true;
    if (!read_lines(&r, text, e))
        return false;
    hand_over(&r, out);
    return true;
}

static void make_empty(struct iptables_part *p, enum iptables_table t)
{
    const char *const *names = iptables_chains_built_in(t);
    size_t count = 0;

    while (names[count] != NULL)
        count++;
    p->is_there = true;
    p->chains = mem_array(count, sizeof(*p->chains));
    for (; p->chain_count < count; p->chain_count++)
        p->chains[p->chain_count] =
            (struct iptables_chain){.name = names[p->chain_count], .policy = "ACCEPT"};
}

void iptables_rules_complete(struct iptables_rules *r)
{
    for (int t = 0; t < IPTABLES_TABLES; t++)
        if (!r->tables[t].is_there)
            make_empty(&r->tables[t], (enum iptables_table)t);
}

/* Writing */

static void put_word(const char *word, struct buf *out)
{
    if (strpbrk(word, " \"'\\") == NULL) {
        buf_printf(out, " %s", word);
        return;
    }
    buf_append(out, " \"", 2);
    for (const char *p = word; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            buf_append(out, "\\", 1);
        buf_append(out, p, 1);
    }
    buf_append(out, "\"", 1);
}

void iptables_rules_write(const struct iptables_rules *r, struct buf *out)
{
    for (int t = 0; t < IPTABLES_TABLES; t++) {
        const struct iptables_part *p = &r->tables[t];

        if (!p->is_there)
            continue;
        buf_printf(out, "*%s\n", table_names[t]);
        for (size_t i = 0; i < p->chain_count; i++)
            buf_printf(out, ":%s %s [%llu:%llu]\n", p->chains[i].name, p->chains[i].policy,
                       (unsigned long long)p->chains[i].packets,
                       (unsigned long long)p->chains[i].bytes);
        for (size_t i = 0; i < p->rule_count; i++) {
            buf_printf(out, "-A %s", p->rules[i].chain);
            for (size_t k = 0; k < p->rules[i].count; k++)
                put_word(p->rules[i].words[k], out);
            buf_append(out, "\n", 1);
        }
        buf_append(out, "COMMIT\n", 7);
    }
}
