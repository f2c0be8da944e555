/*
 * The records of a zip file; numbers are little-endian.  Private to zip_reader.c, zip_check.c and
 * zip_writer.c.
 *
 *     in front of an entry  "PK\3\4" needed flags method time date crc packed size name_size
 *                           extra_size | name | extra
 *     behind one            "PK\7\8" crc packed size, where its flags say so
 *     in the directory      "PK\1\2" made needed flags method time date crc packed size name_size
 *                           extra_size comment_size disk inner attributes offset | name | extra |
 * comment at the end            "PK\5\6" disk directory_disk here total size offset comment_size
 */
#ifndef ARCHIVE_ZIP_HEAD_H
#define ARCHIVE_ZIP_HEAD_H

#include "archive/zip.h"

#define ZIP_LOCAL_SIZE   30
#define ZIP_CENTRAL_SIZE 46
#define ZIP_END_SIZE     22
#define ZIP_BEHIND_SIZE  16
#define ZIP_CRC_AT       14 /* of crc, packed and size in the head of an entry */
#define ZIP_VERSION      20 /* deflate and folders */
#define ZIP_STORED       0
#define ZIP_DEFLATED     8
#define ZIP_DESCRIPTOR   0x0008 /* flags */
#define ZIP_UTF8         0x0800
#define ZIP_HOST_DOS     0
#define ZIP_HOST_UNIX    3

struct zip_head {
    uint16_t made, needed, flags, method, time, date;
    uint32_t crc, packed, size;
    uint16_t name_size, extra_size, comment_size, disk, inner;
    uint32_t attributes, offset;
};

struct zip_end {
    uint16_t disk, directory_disk, here, total;
    uint32_t size, offset;
    uint16_t comment_size;
};

/* Take a record off the front of *s; false when it is too short or another record. */
MUST_CHECK bool zip_head_take_local(struct slice *s, struct zip_head *out);
MUST_CHECK bool zip_head_take_central(struct slice *s, struct zip_head *out);
/* crc, packed and size only. */
MUST_CHECK bool zip_head_take_behind(struct slice *s, struct zip_head *out);
MUST_CHECK bool zip_end_take(struct slice *s, struct zip_end *out);
/* Two bytes; how extra fields begin. */
MUST_CHECK bool zip_head_take_u16(struct slice *s, uint16_t *out);

void zip_head_put_local(const struct zip_head *h, struct buf *out);
void zip_head_put_central(const struct zip_head *h, struct buf *out);
void zip_head_put_behind(const struct zip_head *h, struct buf *out);
void zip_end_put(const struct zip_end *end, struct buf *out);

bool zip_name_is_ascii(struct slice name); /* zip_check.c */
/* Names that are there twice, also in the other case, or as file and folder (zip_check.c). */
MUST_CHECK bool zip_names_check(const struct zip_entry *entries, size_t count, struct err *e);
/* The sizes together (zip_check.c). */
MUST_CHECK bool zip_sizes_check(const struct zip_rules *rules, const struct zip_entry *entries,
                                size_t count, uint64_t file_size, struct err *e);

#endif
