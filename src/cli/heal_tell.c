#include "cli/heal_tell.h"

#include "cli/render.h"

static const char *source_word(enum heal_source from)
{
    switch (from) {
    case HEAL_NOT:
        break;
    case HEAL_PARITY:
        return "parity";
    case HEAL_REPOSITORY:
        return "repository";
    case HEAL_AGAIN:
        return "objects";
    case HEAL_TRASH:
        return "trash";
    }
    return "nowhere";
}

void heal_tell(struct output *out, const struct healing *h)
{
    const bool is_healed = h->from != HEAL_NOT;

    if (out->json) {
        json_t *line = json_message(is_healed ? "healed" : "error");

        if (!is_healed)
            json_set_text(line, "kind", "not_healed");
        json_set_text(line, "object", h->object);
        json_set_text(line, "from", source_word(h->from));
        json_set_text(line, "message", h->sentence);
        if (is_healed)
            output_json(out, line);
        else
            output_json_err(out, line);
        return;
    }
    output_line(out, "%s: %s: %s", is_healed ? "healed" : "not healed", h->object, h->sentence);
}
