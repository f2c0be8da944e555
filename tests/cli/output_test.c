/*
 * What is printed, and which exit status a failure has.
 */
#include "support/test.h"

#include <string.h>

#include "base/clock.h"
#include "cli/call.h"
#include "cli/progress.h"
#include "cli/render.h"

/* An output into memory. */
struct sheet {
    struct output out;
    char *text, *err_text;
    size_t size, err_size;
};

static void sheet_open(struct sheet *s)
{
    memset(s, 0, sizeof(*s));
    output_init(&s->out);
    s->out.out = open_memstream(&s->text, &s->size);
    s->out.err = open_memstream(&s->err_text, &s->err_size);
    s->out.has_color = false;
    s->out.is_terminal = false;
}

static void sheet_flush(struct sheet *s)
{
    ck_assert_int_eq(fflush(s->out.out), 0);
    ck_assert_int_eq(fflush(s->out.err), 0);
}

static void sheet_auto(struct sheet *s)
{
    (void)fclose(s->out.out); /* memory cannot fail */
    (void)fclose(s->out.err);
    free(s->text);
    free(s->err_text);
    output_done(&s->out);
}

TEST(each_failure_has_the_exit_status_that_scripts_know)
{
    static const struct {
        enum stage stage;
        enum err_code code;
        int status;
    } rows[] = {
        {STAGE_COMMAND_LINE, ERR_USAGE, 2}, {STAGE_COMMAND_LINE, ERR_FATAL, 2},
        {STAGE_SECRET, ERR_NOT_FOUND, 2},   {STAGE_SECRET, ERR_DENIED, 2},
        {STAGE_SECRET, ERR_CORRUPT, 2},     {STAGE_SECRET, ERR_CANCELLED, 130},
        {STAGE_STORE, ERR_NOT_FOUND, 10},   {STAGE_STORE, ERR_DENIED, 1},
        {STAGE_STORE, ERR_USAGE, 2},        {STAGE_UNLOCK, ERR_NOT_FOUND, 10},
        {STAGE_UNLOCK, ERR_DENIED, 12},     {STAGE_UNLOCK, ERR_CORRUPT, 13},
        {STAGE_UNLOCK, ERR_USAGE, 2},       {STAGE_WORK, ERR_NOT_FOUND, 1},
        {STAGE_WORK, ERR_DENIED, 1},        {STAGE_WORK, ERR_EXISTS, 1},
        {STAGE_WORK, ERR_FATAL, 1},         {STAGE_WORK, ERR_TRANSIENT, 11},
        {STAGE_WORK, ERR_CORRUPT, 13},      {STAGE_WORK, ERR_CANCELLED, 130},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(exit_status(rows[i].stage, rows[i].code) == rows[i].status, "row %zu", i);
}

TEST(a_failure_is_a_sentence_and_a_hint)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    output_failure(&s.out, &(struct output_failure){.status = 10,
                                                    .sentence = "open repository /x: not there",
                                                    .hint = "make one"});
    sheet_flush(&s);
    ck_assert_str_eq(s.err_text, "holdfast: open repository /x: not there\nhint: make one\n");
    ck_assert_uint_eq(s.size, 0);
}

TEST(a_failure_in_json_is_one_line_with_code_and_message)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    s.out.json = true;
    output_failure(&s.out, &(struct output_failure){
                               .status = 12, .is_opening = true, .sentence = "wrong \"key\""});
    sheet_flush(&s);
    ck_assert_str_eq(s.err_text, "{\"message_type\":\"exit_error\",\"code\":12,"
                                 "\"message\":\"wrong \\\"key\\\"\",\"opening\":true}\n");
}

TEST(names_cannot_send_codes_to_the_terminal)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    output_item_error(&s.out, "read", "/a", "read /a\033[2J\n: gone");
    sheet_flush(&s);
    ck_assert_str_eq(s.err_text, "error: read /a\\x1b[2J\\x0a: gone\n");
}

TEST(the_error_of_an_item_names_its_path_once)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    output_item_error(&s.out, "read", "/a", "permission denied");
    output_item_error(&s.out, "read", "/a", "open /a: permission denied");
    sheet_flush(&s);
    ck_assert_str_eq(s.err_text, "error: /a: permission denied\n"
                                 "error: open /a: permission denied\n");
}

TEST(the_error_of_an_item_in_json_is_restics)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    s.out.json = true;
    output_item_error(&s.out, "scan", "/a\\xff", "no\xff");
    sheet_flush(&s);
    ck_assert_str_eq(s.err_text,
                     "{\"message_type\":\"error\",\"error\":{\"message\":\"no\xef\xbf\xbd\"},"
                     "\"during\":\"scan\",\"item\":\"/a\xef\xbf\xbd\",\"item_b64\":\"L2H/\"}\n");
}

TEST(a_path_that_is_utf8_has_no_second_form)
{
    AUTO(json) json_t *o = json_object();

    json_set_path_text(o, "path", "/\xc3\xa9\\\\x");
    ck_assert_str_eq(json_string_value(json_object_get(o, "path")), "/\xc3\xa9\\x");
    CHECK(json_object_get(o, "path_b64") == NULL);
}

TEST(quiet_leaves_results_and_takes_notes)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    s.out.quiet = true;
    output_note(&s.out, "note");
    output_line(&s.out, "line");
    sheet_flush(&s);
    ck_assert_str_eq(s.text, "line\n");
}

TEST(json_takes_all_lines_for_people)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    s.out.json = true;
    output_note(&s.out, "note");
    output_line(&s.out, "line");
    output_json(&s.out, json_pack("{s:i}", "n", 1));
    sheet_flush(&s);
    ck_assert_str_eq(s.text, "{\"n\":1}\n");
}

TEST(a_full_disk_under_standard_output_is_a_failure)
{
    AUTO(sheet) struct sheet s;
    FILE *full = fopen("/dev/full", "w");

    sheet_open(&s);
    ck_assert_ptr_nonnull(full);

    FILE *memory = s.out.out;

    s.out.out = full;
    output_line(&s.out, "lost");
    CHECK_ERR(output_flush(&s.out, e), ERR_FATAL);
    CHECK_ERR(output_is_good(&s.out, e), ERR_FATAL);
    CHECK_ERR(output_flush(&s.out, e), ERR_FATAL);
    s.out.out = memory;
    (void)fclose(full);
}

TEST(a_bar_gives_way_to_lines)
{
    AUTO(sheet) struct sheet s;

    sheet_open(&s);
    output_bar(&s.out, "half");
    output_item_error(&s.out, "read", NULL, "gone");
    output_bar(&s.out, "");
    sheet_flush(&s);
    ck_assert_str_eq(s.err_text, "\rhalf\033[K\r\033[Kerror: gone\n");
}

TEST(progress_tells_share_rate_time_left_and_file)
{
    const struct progress p = {.elapsed_ns = 10 * NS_PER_S,
                               .files_done = 3,
                               .files_total = 10,
                               .bytes_done = 10 << 20,
                               .bytes_total = 40 << 20,
                               .current = "/etc/passwd"};
    AUTO(buf) struct buf line = {0};

    progress_format(&p, 200, &line);
    ck_assert_str_eq(buf_string(&line), "[0:10] 25.0%  3 files, 10.000 MiB of 40.000 MiB, "
                                        "1.000 MiB/s, 0:30 left  /etc/passwd");
}

TEST(progress_of_a_set_names_the_source_and_counts_its_rows)
{
    const struct progress p = {.source = "postgres/shop", .rows_done = 12000};
    AUTO(buf) struct buf line = {0};
    AUTO(json) json_t *o = progress_json(&p, PROGRESS_BACKUP);

    progress_format(&p, 200, &line);
    ck_assert_ptr_nonnull(strstr(buf_string(&line), "  postgres/shop, 12000 rows"));
    ck_assert_str_eq(json_string_value(json_object_get(o, "source")), "postgres/shop");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "rows_done")), 12000);
}

TEST(progress_is_no_wider_than_the_terminal_and_cuts_no_character)
{
    const struct progress p = {.elapsed_ns = 0, .current = "\xc3\xa9\xc3\xa9\xc3\xa9"};
    AUTO(buf) struct buf line = {0};

    progress_format(&p, 22, &line);
    ck_assert_str_eq(buf_string(&line), "[0:00] 0 files, 0 B  \xc3\xa9");
}

TEST(status_lines_have_the_fields_of_restic)
{
    const struct progress p = {.elapsed_ns = 4 * NS_PER_S,
                               .files_done = 1,
                               .files_total = 2,
                               .bytes_done = 100,
                               .bytes_total = 200,
                               .errors = 1,
                               .current = "/f"};
    AUTO(json) json_t *o = progress_json(&p, PROGRESS_BACKUP);
    AUTO(json)
    json_t *wanted = json_pack(
        "{s:s,s:i,s:i,s:f,s:i,s:i,s:i,s:i,s:i,s:[s]}", "message_type", "status", "seconds_elapsed",
        4, "seconds_remaining", 4, "percent_done", 0.5, "total_files", 2, "files_done", 1,
        "total_bytes", 200, "bytes_done", 100, "error_count", 1, "current_files", "/f");

    CHECK(json_equal(o, wanted));
}

TEST(a_progress_rate_that_is_no_number_above_zero_is_refused)
{
    AUTO(sheet) struct sheet s;
    struct progress_view v;

    sheet_open(&s);
    setenv("HOLDFAST_PROGRESS_FPS", "0", 1);
    CHECK_ERR(progress_init(&v, &s.out, PROGRESS_BACKUP, e), ERR_USAGE);
    setenv("HOLDFAST_PROGRESS_FPS", "fast", 1);
    CHECK_ERR(progress_init(&v, &s.out, PROGRESS_BACKUP, e), ERR_USAGE);
    setenv("HOLDFAST_PROGRESS_FPS", "0.5", 1);
    CHECK_OK(progress_init(&v, &s.out, PROGRESS_BACKUP, e));
    ck_assert_int_eq(v.interval_ns, 2 * NS_PER_S);
}

TEST(tables_have_columns_as_wide_as_their_widest_line)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf out = {0};

    table_init(&t, 3);
    table_add(&t, "ID");
    table_add(&t, "Name");
    table_add(&t, "Paths");
    table_add(&t, "1");
    table_add(&t, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    table_add(&t, "/a\n/b");
    table_print(&t, &out);
    ck_assert_str_eq(buf_string(&out), "ID  Name   Paths\n"
                                       "1   \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9  /a\n"
                                       "           /b\n");
}

TEST(modes_look_as_in_ls)
{
    const struct {
        enum entry_type type;
        uint32_t mode;
        const char *text;
    } rows[] = {{ENTRY_FILE, 0644, "-rw-r--r--"},    {ENTRY_DIRECTORY, 01777, "drwxrwxrwt"},
                {ENTRY_FILE, 04755, "-rwsr-xr-x"},   {ENTRY_FILE, 02644, "-rw-r-Sr--"},
                {ENTRY_SYMLINK, 0777, "lrwxrwxrwx"}, {ENTRY_BLOCK_DEVICE, 01660, "brw-rw---T"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct entry en = {.type = rows[i].type, .mode = rows[i].mode};
        char text[MODE_TEXT_MAX];

        mode_format(&en, text);
        ck_assert_str_eq(text, rows[i].text);
    }
}

TEST(times_that_passed_are_short)
{
    char text[ELAPSED_TEXT_MAX];

    elapsed_format(65 * NS_PER_S, text);
    ck_assert_str_eq(text, "1:05");
    elapsed_format(3723 * NS_PER_S, text);
    ck_assert_str_eq(text, "1:02:03");
    elapsed_format(INT64_MAX, text);
    ck_assert_str_eq(text, "2562047:47:16");
}

TESTS("output", each_failure_has_the_exit_status_that_scripts_know,
      a_failure_is_a_sentence_and_a_hint, a_failure_in_json_is_one_line_with_code_and_message,
      names_cannot_send_codes_to_the_terminal, the_error_of_an_item_names_its_path_once,
      the_error_of_an_item_in_json_is_restics, a_path_that_is_utf8_has_no_second_form,
      quiet_leaves_results_and_takes_notes, json_takes_all_lines_for_people,
      a_full_disk_under_standard_output_is_a_failure, a_bar_gives_way_to_lines,
      progress_tells_share_rate_time_left_and_file,
      progress_of_a_set_names_the_source_and_counts_its_rows,
      progress_is_no_wider_than_the_terminal_and_cuts_no_character,
      status_lines_have_the_fields_of_restic,
      a_progress_rate_that_is_no_number_above_zero_is_refused,
      tables_have_columns_as_wide_as_their_widest_line, modes_look_as_in_ls,
      times_that_passed_are_short)
