#include "notify/notice.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/hash.h"

enum {
    ID_BYTES = 16,
    SUBJECT_MAX = 120, /* bytes of a subject: Discord takes 256 characters, each of ours twice */
    OUTCOME_COUNT = NOTICE_FAILURE + 1,
};

/* The title, and the subject in front of the set's name. */
struct wording {
    const char *title, *subject;
};

/* Success and failure of a backup are worded as the POS application words them. */
static const struct {
    const char *name;
    struct wording by[OUTCOME_COUNT];
} events[] = {
    [NOTICE_BACKUP] = {"backup",
                       {{"Backup Completed Successfully", "Backup Completed"},
                        {"Backup Incomplete", "Backup Incomplete"},
                        {"Backup Failed", "Backup Failed"}}},
    [NOTICE_DRILL] = {"drill",
                      {{"Drill Proved the Backup", "Drill Passed"},
                       {"Drill Incomplete", "Drill Incomplete"},
                       {"Drill Failed", "Drill Failed"}}},
    [NOTICE_CHECK] = {"check",
                      {{"Check Found No Damage", "Check Passed"},
                       {"Check Incomplete", "Check Incomplete"},
                       {"Check Failed", "Check Failed"}}},
    [NOTICE_RESTORE] = {"restore",
                        {{"Restore Completed Successfully", "Restore Completed"},
                         {"Restore Incomplete", "Restore Incomplete"},
                         {"Restore Failed", "Restore Failed"}}},
    [NOTICE_RETENTION] = {"retention",
                          {{"Retention Applied", "Retention Applied"},
                           {"Retention Held Back", "Retention Held Back"},
                           {"Retention Failed", "Retention Failed"}}},
    [NOTICE_MISSED] = {"missed",
                       {{"Missed Run Made Up For", "Missed Run Made Up For"},
                        {"Scheduled Run Missed", "Scheduled Run Missed"},
                        {"Scheduled Run Missed", "Scheduled Run Missed"}}},
    [NOTICE_DEAD_MAN] = {"dead_man",
                         {{"Runs Succeed Again", "Runs Succeed Again"},
                          {"No Success for Too Long", "No Success for Too Long"},
                          {"No Success for Too Long", "No Success for Too Long"}}},
    [NOTICE_TEST] = {"test",
                     {{"Messages Arrive Here", "Test Message"},
                      {"Messages Arrive Here", "Test Message"},
                      {"Messages Arrive Here", "Test Message"}}},
};

static const char *const outcome_names[] = {
    [NOTICE_SUCCESS] = "success", [NOTICE_INCOMPLETE] = "incomplete", [NOTICE_FAILURE] = "failure"};

static const uint32_t colors[] = {
    [NOTICE_SUCCESS] = 0x2eb67d, [NOTICE_INCOMPLETE] = 0xecb22e, [NOTICE_FAILURE] = 0xe01e5a};

const char *notice_event_name(enum notice_event event)
{
    return events[event].name;
}

void message_list_auto(struct message_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        message_auto(&l->items[i]);
    mem_free(l->items);
}

/* Values */

__attribute__((format(printf, 2, 3))) static const char *format(struct arena *a, const char *fmt,
                                                                ...)
{
    char text[TEMPLATE_VALUE_MAX + 1];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return arena_string(a, slice_string(text));
}

static const char *line(struct arena *a, const char *text, size_t limit)
{
    char out[TEMPLATE_VALUE_MAX + 1];

    assert(limit <= TEMPLATE_VALUE_MAX);
    if (text == NULL)
        return NULL;
    text_flatten(slice_string(text), out, limit + 1);
    return arena_string(a, slice_string(out));
}

/* At most two decimals and no zeros at the end, as the POS application writes sizes. */
static const char *size_text(struct arena *a, uint64_t size)
{
    static const char *const units[] = {"Bytes", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    uint64_t one = 1;

    while (unit + 1 < sizeof(units) / sizeof(units[0]) && size / one >= 1024) {
        one *= 1024;
        unit++;
    }

    /* Twice as many as a hundredth, for the half to round up; no product runs over. */
    uint64_t whole = size / one;
    uint64_t hundredths = (size % one * 200 / one + 1) / 2;

    if (hundredths == 100) {
        whole++;
        hundredths = 0;
    }
    if (hundredths == 0)
        return format(a, "%" PRIu64 " %s", whole, units[unit]);
    if (hundredths % 10 == 0)
        return format(a, "%" PRIu64 ".%u %s", whole, (unsigned)hundredths / 10, units[unit]);
    return format(a, "%" PRIu64 ".%02u %s", whole, (unsigned)hundredths, units[unit]);
}

/* Seconds as JSON and JavaScript write them. */
static const char *seconds_text(struct arena *a, int64_t ms)
{
    char text[32];
    size_t size =
        (size_t)snprintf(text, sizeof(text), "%" PRId64 ".%03u", ms / 1000, (unsigned)(ms % 1000));

    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    return arena_string(a, SLICE_OF(text, size));
}

/* As toISOString() of JavaScript: to the millisecond. */
static const char *time_text(struct arena *a, int64_t time_ns)
{
    char text[CLOCK_TEXT_MAX];

    clock_format(time_ns, text);
    return format(a, "%.23sZ", text);
}

/* out is empty. */
static void values_set(const struct notice *n, struct arena *a, struct template_values *out)
{
    const struct wording *w = &events[n->event].by[n->outcome];
    const char **to = out->text;

    assert(n->time_ns >= 0 && n->duration_ms >= 0);
    to[BLANK_ID] = line(a, n->id, TEMPLATE_VALUE_MAX);
    to[BLANK_EVENT] = events[n->event].name;
    to[BLANK_OUTCOME] = outcome_names[n->outcome];
    to[BLANK_SUCCESS + n->outcome] = "true";
    to[BLANK_TITLE] = w->title;
    to[BLANK_LABEL] = n->event == NOTICE_BACKUP ? "Backup" : "Set";
    to[BLANK_SET] = line(a, n->set, TEMPLATE_VALUE_MAX);
    to[BLANK_SUBJECT] = to[BLANK_SET] == NULL
                            ? w->subject
                            : line(a, format(a, "%s: %s", w->subject, to[BLANK_SET]), SUBJECT_MAX);
    to[BLANK_TYPE] = line(a, n->type, TEMPLATE_VALUE_MAX);
    to[BLANK_ERROR] = line(a, n->error, TEMPLATE_VALUE_MAX);
    to[BLANK_SNAPSHOT] = line(a, n->snapshot, TEMPLATE_VALUE_MAX);
    to[BLANK_HOST] = line(a, n->host, TEMPLATE_VALUE_MAX);
    to[BLANK_TIME] = time_text(a, n->time_ns);
    to[BLANK_TIME_S] = format(a, "%" PRId64, n->time_ns / NS_PER_S);
    to[BLANK_COLOR] = format(a, "#%06x", (unsigned)colors[n->outcome]);
    to[BLANK_COLOR_NUMBER] = format(a, "%u", (unsigned)colors[n->outcome]);
    if (n->has_size) {
        to[BLANK_SIZE] = size_text(a, n->size);
        to[BLANK_SIZE_BYTES] = format(a, "%" PRIu64, n->size);
    }
    if (n->has_duration) {
        to[BLANK_DURATION_S] = seconds_text(a, n->duration_ms);
        to[BLANK_DURATION] = format(a, "%ss", to[BLANK_DURATION_S]);
    }
}
static_assert(BLANK_INCOMPLETE == BLANK_SUCCESS + NOTICE_INCOMPLETE &&
                  BLANK_FAILURE == BLANK_SUCCESS + NOTICE_FAILURE,
              "fields of outcomes are in the outcomes' order");

/* Messages */

/* The run, what happened to it, and who hears of it. */
static char *message_id(const struct notice *n, const char *channel)
{
    AUTO(buf) struct buf text = {0};
    struct hash sum;
    char digits[2 * ID_BYTES + 1];

    buf_put_bytes(&text, slice_string(n->id));
    buf_put_u8(&text, (uint8_t)n->event);
    buf_put_u8(&text, (uint8_t)n->outcome);
    buf_put_bytes(&text, slice_string(channel));
    sha256(buf_slice(&text), &sum);
    hex_encode(SLICE_OF(sum.bytes, ID_BYTES), digits);
    return mem_string(digits);
}

static char *filled_in(const struct template_set *t, enum template_kind kind,
                       const struct template_values *v)
{
    AUTO(buf) struct buf text = {0};

    template_set_write(t, kind, v, &text);
    return mem_string(buf_string(&text));
}

static void message_fill(const struct notice *n, const struct template_set *t,
                         const struct template_values *v, struct message *m)
{
    switch (m->kind) {
    case CHANNEL_MAIL:
        m->subject = filled_in(t, TEMPLATE_SUBJECT, v);
        m->text = filled_in(t, TEMPLATE_TEXT, v);
        m->html = filled_in(t, TEMPLATE_HTML, v);
        break;
    case CHANNEL_WEBHOOK:
        m->body = filled_in(t, TEMPLATE_JSON, v);
        break;
    case CHANNEL_SLACK:
        m->body = filled_in(t, TEMPLATE_SLACK, v);
        break;
    case CHANNEL_DISCORD:
        m->body = filled_in(t, TEMPLATE_DISCORD, v);
        break;
    case CHANNEL_HEARTBEAT:
        if (n->outcome != NOTICE_SUCCESS)
            m->body = mem_string(v->text[BLANK_ERROR] != NULL ? v->text[BLANK_ERROR]
                                                              : v->text[BLANK_TITLE]);
        break;
    }
}

void notice_messages(const struct notice *n, const char *const *channels, size_t count,
                     const struct template_set *t, struct message_list *out, uint64_t *bad)
{
    AUTO(arena) struct arena a = {0};
    struct message_list list = {.items = mem_array(count, sizeof(*list.items))};
    struct template_values values = {0};

    *bad = 0;
    values_set(n, &a, &values);
    for (size_t i = 0; i < count; i++) {
        struct channel c;
        struct err ignored;

        if (!channel_parse(channels[i], &c, &ignored)) {
            *bad |= i < 64 ? UINT64_C(1) << i : 0;
            continue;
        }

        struct message *m = &list.items[list.count++];

        *m = (struct message){.kind = c.kind,
                              .id = message_id(n, channels[i]),
                              .target = mem_string(c.target),
                              .time_ns = n->time_ns};
        message_fill(n, t, &values, m);
    }
    *out = list;
}
