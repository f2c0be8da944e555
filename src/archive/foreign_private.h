/* The readers of single kinds that stand in files of their own.  Private to src/archive. */
#ifndef ARCHIVE_FOREIGN_PRIVATE_H
#define ARCHIVE_FOREIGN_PRIVATE_H

#include "archive/foreign.h"

typedef bool foreign_read_fn(const struct foreign_archive *a, const struct foreign_visitor *v,
                             struct foreign_facts *out, struct err *e);

/* One line of UTF-8, as much as fits. */
void foreign_set_word(char out[FOREIGN_WORD_MAX], const char *text);
void foreign_set_sentence(char out[FOREIGN_TEXT_MAX], const char *text);

/* foreign_cfms.c */
foreign_read_fn foreign_read_cfms, foreign_read_cfms_conf;
/* foreign_pos.c */
foreign_read_fn foreign_read_pos_database, foreign_read_pos_files;
/* foreign_wireguard.c */
foreign_read_fn foreign_read_wireguard;
/* All files of a zip file as parts. */
struct zip;
MUST_CHECK bool foreign_read_zip(const struct zip *z, const struct foreign_visitor *v,
                                 struct err *e);

#endif
