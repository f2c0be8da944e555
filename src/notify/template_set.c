#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "codec/json.h"
#include "notify/template.h"

struct template_set {
    struct template *own[TEMPLATE_KINDS];   /* from files; NULL: none */
    struct template *built[TEMPLATE_KINDS]; /* all there */
};

static const char *const file_names[] = {
    [TEMPLATE_SUBJECT] = "mail-subject.txt", [TEMPLATE_TEXT] = "mail.txt",
    [TEMPLATE_HTML] = "mail.html",           [TEMPLATE_JSON] = "webhook.json",
    [TEMPLATE_SLACK] = "slack.json",         [TEMPLATE_DISCORD] = "discord.json",
};

/* The first five lines of the HTML are what mails of the POS application look like. */
static const char *const built_in[] = {
    [TEMPLATE_SUBJECT] = "{{subject}}",
    [TEMPLATE_TEXT] = "{{title}}\n"
                      "\n"
                      "{{#set}}{{label}}: {{set}}\n{{/set}}"
                      "{{^failure}}{{#type}}Type: {{type}}\n{{/type}}"
                      "{{#size}}Size: {{size}}\n{{/size}}{{/failure}}"
                      "{{#error}}Error: {{error}}\n{{/error}}"
                      "{{#duration}}Duration: {{duration}}\n{{/duration}}"
                      "Timestamp: {{time}}\n"
                      "{{#snapshot}}Snapshot: {{snapshot}}\n{{/snapshot}}"
                      "{{#host}}Host: {{host}}\n{{/host}}",
    [TEMPLATE_HTML] = "<h2>{{title}}</h2>\n"
                      "{{#set}}<p><strong>{{label}}:</strong> {{set}}</p>\n{{/set}}"
                      "{{^failure}}{{#type}}<p><strong>Type:</strong> {{type}}</p>\n{{/type}}"
                      "{{#size}}<p><strong>Size:</strong> {{size}}</p>\n{{/size}}{{/failure}}"
                      "{{#error}}<p><strong>Error:</strong> {{error}}</p>\n{{/error}}"
                      "{{#duration}}<p><strong>Duration:</strong> {{duration}}</p>\n{{/duration}}"
                      "<p><strong>Timestamp:</strong> {{time}}</p>\n"
                      "{{#snapshot}}<p><strong>Snapshot:</strong> {{snapshot}}</p>\n{{/snapshot}}"
                      "{{#host}}<p><strong>Host:</strong> {{host}}</p>\n{{/host}}",
    [TEMPLATE_JSON] = "{\"version\":1,\"id\":{{id}},\"event\":{{event}},\"outcome\":{{outcome}},"
                      "\"title\":{{title}},\"set\":{{set}},\"type\":{{type}},"
                      "\"size_bytes\":{{size_bytes}},\"duration_s\":{{duration_s}},"
                      "\"error\":{{error}},\"snapshot\":{{snapshot}},\"time\":{{time}},"
                      "\"host\":{{host}}}",
    [TEMPLATE_SLACK] =
        "{\"text\":{{subject}},\"mrkdwn\":false,\"attachments\":[{\"color\":{{color}},"
        "\"fallback\":{{subject}},\"mrkdwn_in\":[],\"ts\":{{time_s}},\"fields\":["
        "{{#type}}{\"title\":\"Type\",\"value\":{{type}},\"short\":true},{{/type}}"
        "{{#size}}{\"title\":\"Size\",\"value\":{{size}},\"short\":true},{{/size}}"
        "{{#duration}}{\"title\":\"Duration\",\"value\":{{duration}},\"short\":true},{{/duration}}"
        "{{#error}}{\"title\":\"Error\",\"value\":{{error}},\"short\":false},{{/error}}"
        "{{#snapshot}}{\"title\":\"Snapshot\",\"value\":{{snapshot}},\"short\":false},{{/snapshot}}"
        "{{#host}}{\"title\":\"Host\",\"value\":{{host}},\"short\":true},{{/host}}"
        "{\"title\":\"Outcome\",\"value\":{{outcome}},\"short\":true}]}]}",
    [TEMPLATE_DISCORD] =
        "{\"allowed_mentions\":{\"parse\":[]},\"embeds\":[{\"title\":{{subject}},"
        "\"color\":{{color_number}},\"timestamp\":{{time}},\"fields\":["
        "{{#type}}{\"name\":\"Type\",\"value\":{{type}},\"inline\":true},{{/type}}"
        "{{#size}}{\"name\":\"Size\",\"value\":{{size}},\"inline\":true},{{/size}}"
        "{{#duration}}{\"name\":\"Duration\",\"value\":{{duration}},\"inline\":true},{{/duration}}"
        "{{#error}}{\"name\":\"Error\",\"value\":{{error}}},{{/error}}"
        "{{#snapshot}}{\"name\":\"Snapshot\",\"value\":{{snapshot}}},{{/snapshot}}"
        "{{#host}}{\"name\":\"Host\",\"value\":{{host}},\"inline\":true},{{/host}}"
        "{\"name\":\"Outcome\",\"value\":{{outcome}},\"inline\":true}]}]}",
};

void template_set_free(struct template_set *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < TEMPLATE_KINDS; i++) {
        template_free(s->own[i]);
        template_free(s->built[i]);
    }
    mem_free(s);
}

void template_set_auto(struct template_set **s)
{
    template_set_free(*s);
}

/* What was filled in can be used as a message of its kind. */
static bool is_usable(enum template_kind kind, struct slice text)
{
    if (kind == TEMPLATE_SUBJECT)
        return text.size > 0 && memchr(text.data, '\n', text.size) == NULL &&
               memchr(text.data, '\r', text.size) == NULL;
    if (kind == TEMPLATE_TEXT || kind == TEMPLATE_HTML)
        return true;

    AUTO(json)
    json_t *j = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);

    return json_is_object(j);
}

/* With a value in every field and with none where there may be none. */
static bool check_on_trial(const struct template *t, enum template_kind kind, const char *path,
                           struct err *e)
{
    static const enum template_field always[] = {BLANK_ID,    BLANK_EVENT, BLANK_OUTCOME,
                                                 BLANK_TITLE, BLANK_LABEL, BLANK_SUBJECT,
                                                 BLANK_TIME,  BLANK_COLOR};
    struct template_values full;
    struct template_values scarce = {0};
    const struct template_values *const tries[] = {&full, &scarce};

    for (size_t i = 0; i < BLANK_COUNT; i++)
        full.text[i] = "1";
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        scarce.text[always[i]] = "1";
    scarce.text[BLANK_TIME_S] = scarce.text[BLANK_COLOR_NUMBER] = "1";
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        AUTO(buf) struct buf text = {0};

        template_write(t, tries[i], &text);
        if (!is_usable(kind, buf_slice(&text)))
            return err_set(e, ERR_USAGE, "%s comes to %s when %s fields have values", path,
                           kind == TEMPLATE_SUBJECT ? "no single line" : "no JSON object",
                           i == 0 ? "all" : "few");
    }
    return true;
}

/* A subject's last newline is its file's. */
static void trim(enum template_kind kind, struct buf *text)
{
    while (kind == TEMPLATE_SUBJECT && text->size > 0 &&
           (text->data[text->size - 1] == '\n' || text->data[text->size - 1] == '\r'))
        text->size--;
}

static bool load_one(const char *folder, enum template_kind kind, struct template **out,
                     struct err *e)
{
    AUTO(template) struct template *t = NULL;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};

    buf_printf(&path, "%s/%s", folder, file_names[kind]);
    if (!file_read(buf_string(&path), TEMPLATE_SIZE_MAX, &text, e))
        return e->code == ERR_NOT_FOUND;
    trim(kind, &text);
    if (!template_parse(kind, buf_string(&path), buf_slice(&text), &t, e) ||
        !check_on_trial(t, kind, buf_string(&path), e))
        return false;
    *out = TAKE(t);
    return true;
}

bool template_set_load(const char *folder, struct template_set **out, struct err *e)
{
    AUTO(template_set) struct template_set *s = mem_new(sizeof(*s));

    for (size_t i = 0; i < TEMPLATE_KINDS; i++) {
        const enum template_kind kind = (enum template_kind)i;

        if (!template_parse(kind, "built in", slice_string(built_in[i]), &s->built[i], e) ||
            (folder != NULL && !load_one(folder, kind, &s->own[i], e)))
            return false;
    }
    *out = TAKE(s);
    return true;
}

void template_set_write(const struct template_set *s, enum template_kind kind,
                        const struct template_values *v, struct buf *out)
{
    const size_t before = out->size;

    if (s->own[kind] != NULL) {
        template_write(s->own[kind], v, out);
        if (is_usable(kind, SLICE_OF(out->data + before, out->size - before)))
            return;
        out->size = before;
    }
    template_write(s->built[kind], v, out);
}
