/*
 * Archives of other programs, whichever they are: recognised by what they hold, never by their
 * names, and taken apart into named parts.
 *
 * Some formats have nothing in front that would tell them (they begin with random bytes); of these
 * only opening them with the right key says what they are.  So recognising a file is reading all of
 * it, as each kind in turn.
 */
#ifndef ARCHIVE_FOREIGN_H
#define ARCHIVE_FOREIGN_H

#include "archive/bundle_note.h"

struct input; /* in_out.h */

enum foreign_kind {
    FOREIGN_BUNDLE,       /* a JSON bundle of Main Private Files (bundle.h) */
    FOREIGN_CFMS,         /* ".cfms.enc" with its key file (cfms.h) */
    FOREIGN_CFMS_CONF,    /* the container of later CFMS servers (cfms_conf.h) */
    FOREIGN_SCHOOL,       /* School ERP (school.h) */
    FOREIGN_WIREGUARD,    /* WireGuard Gateway (wireguard_zip.h) */
    FOREIGN_POS_DATABASE, /* Vevurn POS (pos_artefact.h): what pg_dump wrote */
    FOREIGN_POS_FILES,    /* and its folders */
    FOREIGN_KINDS,
};
/* "bundle", "cfms", "cfms-conf", "school-erp", "wireguard", "vevurn-database", "vevurn-files"; and
 * back. */
const char *foreign_kind_name(enum foreign_kind k);
MUST_CHECK bool foreign_kind_parse(const char *name, enum foreign_kind *out);
/* Whether a key may be needed for reading it. */
bool foreign_kind_takes_key(enum foreign_kind k);

#define FOREIGN_KEY_MAX  ((size_t)4 << 10) /* bytes of a key file */
#define FOREIGN_TEXT_MAX 160               /* of a sentence, with NUL */
#define FOREIGN_WORD_MAX 64                /* of a version or a time, with NUL */

struct foreign_archive {
    const struct input *from;
    struct slice key; /* what a key file holds; size 0: there is none */
    bool is_chosen;   /* somebody says that it is of this kind: a bundle may be any JSON
                       * then, and files of Vevurn POS may have any names */
};

/* What an archive says of itself; texts are UTF-8 in one line. */
struct foreign_facts {
    char version[FOREIGN_WORD_MAX]; /* of the format; empty: it does not say */
    char created[FOREIGN_WORD_MAX]; /* its time, as it stands there; empty: it does not say */
    char why[FOREIGN_TEXT_MAX];     /* what it was recognised by */
    char note[FOREIGN_TEXT_MAX];    /* what somebody should know who trusts it; or empty */
    bool is_authenticated;          /* who lacks the key cannot have made it */
    struct bundle_note bundle;      /* of a bundle: size, sum and facts */
};

/*
 * Takes the parts, one after the other.  name is relative, of parts divided by '/', and valid
 * during the call only; nothing counts before the reading has succeeded.  False ends it with *e.
 */
struct foreign_visitor {
    void *arg;
    bool (*begin)(void *arg, const char *name, struct err *e);
    bool (*bytes)(void *arg, struct slice bytes, struct err *e);
    bool (*end)(void *arg, struct err *e);
};

/*
 * Read all of it as this kind: the same parts in the same order each time.  A bundle has none, for
 * it is one itself.  ERR_CORRUPT: it is none, or damaged, or the key does not open it, as far as
 * these can be told apart; ERR_USAGE: the key file holds no key of this kind.
 */
MUST_CHECK bool foreign_read(const struct foreign_archive *a, enum foreign_kind kind,
                             const struct foreign_visitor *v, struct foreign_facts *out,
                             struct err *e);

/* What came of reading a file as one kind. */
struct foreign_trial {
    bool fits;
    struct err why; /* it does not */
};

/*
 * The one kind that fits.  ERR_CORRUPT: none does, with each kind and why not; ERR_USAGE: several
 * do, and somebody has to choose.
 */
MUST_CHECK bool foreign_judge(const struct foreign_trial trials[FOREIGN_KINDS],
                              enum foreign_kind *out, struct err *e);

#endif
