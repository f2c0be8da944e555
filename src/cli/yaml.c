#include "cli/yaml.h"

#include <assert.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

static void emitter_auto(yaml_emitter_t *m)
{
    yaml_emitter_delete(m);
}

static int append(void *arg, unsigned char *bytes, size_t size)
{
    buf_append(arg, bytes, size);
    return 1;
}

/* Emit an event that was made with this result. */
static void emit(yaml_emitter_t *m, yaml_event_t *ev, int is_made)
{
    if (is_made == 0)
        mem_exit("out of memory while writing YAML");

    const int is_done = yaml_emitter_emit(m, ev);

    if (is_done == 0 && m->error == YAML_MEMORY_ERROR)
        mem_exit("out of memory while writing YAML");
    assert(is_done == 1); /* events come in order, and append() does not fail */
}

/* Whether a word is a text without quotes in any version of YAML: no yes, no number, no date. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/_0123456789.-";

    if (strspn(text, letters) != strlen(text) || strchr(letters, text[0]) == NULL ||
        strchr("0123456789.-", text[0]) != NULL)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(words[i], text) == 0)
            return false;
    return true;
}

static void emit_scalar(yaml_emitter_t *m, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t ev;

    emit(m, &ev,
         yaml_scalar_event_initialize(&ev, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text),
                                      1, 1, style));
}

static void emit_text(yaml_emitter_t *m, const char *text)
{
    emit_scalar(m, text,
                is_plain(text) ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void emit_value(yaml_emitter_t *m, json_t *value);

static void emit_object(yaml_emitter_t *m, json_t *o)
{
    yaml_event_t ev;

    emit(m, &ev, yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (void *at = json_object_iter(o); at != NULL; at = json_object_iter_next(o, at)) {
        emit_text(m, json_object_iter_key(at));
        emit_value(m, json_object_iter_value(at));
    }
    emit(m, &ev, yaml_mapping_end_event_initialize(&ev));
}

static bool is_flat(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_is_object(json_array_get(list, i)) || json_is_array(json_array_get(list, i)))
            return false;
    return true;
}

static void emit_array(yaml_emitter_t *m, json_t *list)
{
    const yaml_sequence_style_t style =
        is_flat(list) ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;
    yaml_event_t ev;

    emit(m, &ev, yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, style));
    for (size_t i = 0; i < json_array_size(list); i++)
        emit_value(m, json_array_get(list, i));
    emit(m, &ev, yaml_sequence_end_event_initialize(&ev));
}

static void emit_value(yaml_emitter_t *m, json_t *value)
{
    if (json_is_object(value)) {
        emit_object(m, value);
    } else if (json_is_array(value)) {
        emit_array(m, value);
    } else if (json_is_string(value)) {
        emit_text(m, json_string_value(value));
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY);

        emit_scalar(m, text, YAML_PLAIN_SCALAR_STYLE);
        mem_free(text);
    }
}

void yaml_format(json_t *value, struct buf *out)
{
    AUTO(emitter) yaml_emitter_t m = {0};
    yaml_event_t ev;

    if (yaml_emitter_initialize(&m) == 0)
        mem_exit("out of memory while writing YAML");
    yaml_emitter_set_output(&m, append, out);
    yaml_emitter_set_unicode(&m, 1);
    yaml_emitter_set_width(&m, -1); /* any: a text is never folded */
    emit(&m, &ev, yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING));
    emit(&m, &ev, yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1));
    emit_value(&m, value);
    emit(&m, &ev, yaml_document_end_event_initialize(&ev, 1));
    emit(&m, &ev, yaml_stream_end_event_initialize(&ev));
}
