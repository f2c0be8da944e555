/*
 * Proving pushed bundles: each is read, is what its manifest notes, and still says of itself what
 * it said when it came.
 */
#include <stdio.h>
#include <string.h>

#include "archive/bundle_note.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "job/drill_private.h"
#include "job/feed.h"

struct bundle_proof {
    struct drill *drill;
    struct drill_member *member;
    const struct bundle_manifest *manifest;
    uint64_t differences;
    struct buf text; /* the first of them */
};

static void bundle_proof_auto(struct bundle_proof *p)
{
    buf_done(&p->text);
}

/* Only the first is told. */
static bool differs(struct bundle_proof *p, const char *name, const char *what)
{
    if (p->differences++ == 0)
        buf_printf(&p->text, "%s%s", name, what);
    return true;
}

static bool is_same(const struct bundle_facts *a, const struct bundle_facts *b)
{
    return a->kind == b->kind && strcmp(a->why, b->why) == 0 &&
           strcmp(a->timestamp, b->timestamp) == 0 && strcmp(a->version, b->version) == 0 &&
           a->has_users == b->has_users && a->has_sessions == b->has_sessions &&
           a->users == b->users && a->sessions == b->sessions &&
           a->indented_size == b->indented_size;
}

/* True also when it differs; false as a prover. */
static bool prove_one(struct bundle_proof *p, const struct bundle_note *note, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf bytes = {0};
    struct bundle_note found = {0};
    struct err why = {0};

    if (cancel_is_requested())
        return cancel_err(e);
    buf_printf(&path, "bundle/%s", note->name);
    if (!feed_get(p->drill->reader, &p->drill->options->snapshot->tree, buf_string(&path), &bytes,
                  &why)) {
        if (why.code != ERR_CORRUPT && why.code != ERR_NOT_FOUND) {
            *e = why;
            return false;
        }
        return differs(p, why.text, "");
    }
    p->member->files++;
    p->member->bytes += bytes.size;
    if (!bundle_read(buf_slice(&bytes), &b, &why))
        return differs(p, note->name, " is not the JSON that it was");
    bundle_note_measure(&found, buf_slice(&bytes), &b.facts);
    if (found.size != note->size || !hash_is_equal(&found.sha256, &note->sha256))
        return differs(p, note->name, " does not have the bytes that are noted");
    return is_same(&found.facts, &note->facts) ||
           differs(p, note->name, " does not say of itself what is noted");
}

/* A bundle that is not in the manifest is one that nobody noted. */
static bool find_strangers(struct bundle_proof *p, const struct entry *en, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct entry one;
    bool more = true;

    if (!tree_open(p->drill->reader, &en->subtree, &c, e))
        return false;
    while (tree_next(c, &one, &more, e)) {
        AUTO(buf) struct buf name = {0};

        if (!more)
            return true;
        buf_append_slice(&name, one.name);
        if (!member_is_manifest(one.name) &&
            bundle_manifest_find(p->manifest, buf_string(&name)) == NULL)
            (void)differs(p, buf_string(&name), " is not in the manifest");
    }
    return false;
}

static bool read_manifest(struct drill *d, struct bundle_manifest *out, struct err *why)
{
    AUTO(buf) struct buf text = {0};

    return drill_read_manifest(d, "/bundle/" BUNDLE_MEMBER, &text, why) &&
           bundle_manifest_parse(buf_slice(&text), out, why);
}

bool prove_bundle(struct drill *d, const char *path, const struct entry *en, struct drill_member *m,
                  struct err *e)
{
    AUTO(bundle_manifest) struct bundle_manifest manifest = {0};
    AUTO(bundle_proof)
    struct bundle_proof p = {.drill = d, .member = m, .manifest = &manifest};
    struct err why = {0};

    (void)path; /* there is one folder of them */
    m->check = mem_string("each bundle read, parsed, and compared with the manifest");
    if (!read_manifest(d, &manifest, &why) || !find_strangers(&p, en, &why))
        return drill_judge(m, &why, e);
    for (size_t i = 0; i < manifest.count; i++)
        if (!prove_one(&p, &manifest.notes[i], e))
            return false;
    if (manifest.count == 0 && p.differences == 0)
        return drill_not_checked(m, "no bundle has been pushed yet");
    return drill_compared(m, p.differences, &p.text);
}
