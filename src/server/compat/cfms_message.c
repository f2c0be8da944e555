/*
 * Messages of CFMS: requests, the envelope of answers, and what data may hold.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server/compat/cfms_private.h"

void cfms_request_auto(struct cfms_request *q)
{
    json_decref(q->document);
    *q = (struct cfms_request){0};
}

static const char *text_or_empty(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    return text == NULL ? "" : text;
}

bool cfms_request_parse(struct slice text, struct cfms_request *out)
{
    json_t *o = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(o)) {
        json_decref(o);
        return false;
    }
    if (json_object_get(o, "data") == NULL)
        (void)json_object_set_new(o, "data", json_object()); /* cannot fail */
    *out = (struct cfms_request){.action = text_or_empty(o, "action"),
                                 .data = json_object_get(o, "data"),
                                 .username = text_or_empty(o, "username"),
                                 .token = text_or_empty(o, "token"),
                                 .document = o};
    return true;
}

static int append(const char *bytes, size_t size, void *arg)
{
    buf_append(arg, bytes, size);
    return 0;
}

double cfms_seconds(int64_t ns)
{
    /* Apart: a double has no room for all nanoseconds since 1970. */
    const int64_t whole = ns / NS_PER_S;

    return (double)whole + (double)(ns % NS_PER_S) / (double)NS_PER_S;
}

void cfms_json_write(const json_t *j, struct buf *out)
{
    if (j == NULL || json_dump_callback(j, append, out, 0) != 0)
        mem_exit("no memory for an answer");
}

void cfms_envelope(unsigned code, json_t *data, const char *message, int64_t now_ns,
                   struct buf *out)
{
    AUTO(json)
    json_t *o = json_pack("{s:i, s:o, s:s, s:f}", "code", (int)code, "data",
                          data == NULL ? json_object() : data, "message", message, "timestamp",
                          cfms_seconds(now_ns));

    cfms_json_write(o, out);
}

static bool refuse(json_t **details, const char *validator, json_t *value)
{
    *details = json_pack("{s:s, s:o}", "validator", validator, "validator_value", value);
    return false;
}

static size_t count_points(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool check_number(const struct cfms_member *m, const json_t *value, struct buf *sentence,
                         json_t **details)
{
    const json_int_t number = json_integer_value(value);

    if (!json_is_integer(value)) {
        buf_printf(sentence, "%s is not of type 'integer'", m->name);
        return refuse(details, "type", json_string("integer"));
    }
    if (number < m->low) {
        buf_printf(sentence, "%s is less than the minimum of %lld", m->name, (long long)m->low);
        return refuse(details, "minimum", json_integer(m->low));
    }
    if (number > m->high) {
        buf_printf(sentence, "%s is greater than the maximum of %lld", m->name, (long long)m->high);
        return refuse(details, "maximum", json_integer(m->high));
    }
    return true;
}

static bool check_text(const struct cfms_member *m, const json_t *value, struct buf *sentence,
                       json_t **details)
{
    const char *text = json_string_value(value);

    if (text == NULL) {
        buf_printf(sentence, "%s is not of type 'string'", m->name);
        return refuse(details, "type", json_string("string"));
    }
    if (count_points(text) < (size_t)m->low) {
        buf_printf(sentence, "%s is too short", m->name);
        return refuse(details, "minLength", json_integer(m->low));
    }
    if (count_points(text) > (size_t)m->high) {
        buf_printf(sentence, "%s is too long", m->name);
        return refuse(details, "maxLength", json_integer(m->high));
    }
    return true;
}

static const struct cfms_member *member_find(const struct cfms_member *members, const char *name)
{
    for (; members->name != NULL; members++)
        if (strcmp(members->name, name) == 0)
            return members;
    return NULL;
}

static bool check_names(const json_t *data, const struct cfms_member *members, struct buf *sentence,
                        json_t **details)
{
    json_t *required;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)data, name, value)
    {
        if (member_find(members, name) == NULL) {
            buf_printf(sentence, "Additional properties are not allowed");
            return refuse(details, "additionalProperties", json_false());
        }
    }
    for (const struct cfms_member *m = members; m->name != NULL; m++) {
        if (!m->is_required || json_object_get(data, m->name) != NULL)
            continue;
        buf_printf(sentence, "'%s' is a required property", m->name);
        required = json_array();
        for (m = members; m->name != NULL; m++)
            if (m->is_required)
                (void)json_array_append_new(required, json_string(m->name)); /* cannot fail */
        return refuse(details, "required", required);
    }
    return true;
}

bool cfms_check(const json_t *data, const struct cfms_member *members, struct buf *sentence,
                json_t **details)
{
    if (!json_is_object(data)) {
        buf_printf(sentence, "data is not of type 'object'");
        return refuse(details, "type", json_string("object"));
    }
    if (!check_names(data, members, sentence, details))
        return false;
    for (const struct cfms_member *m = members; m->name != NULL; m++) {
        const json_t *value = json_object_get(data, m->name);

        if (value != NULL && !(m->is_number ? check_number(m, value, sentence, details)
                                            : check_text(m, value, sentence, details)))
            return false;
    }
    return true;
}
