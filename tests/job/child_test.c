#include "job/job.h"

#include <string.h>
#include <sys/stat.h>

#include "base/acts.h"
#include "base/mem.h"
#include "codec/json.h"
#include "job/child_watch.h"

static int acts_tests(void);
int main(int argc, char **argv)
{
    acts_main(argc, argv);
    return acts_tests();
}

/* Lines */

static enum err_code code_of(const char *text, size_t size)
{
    json_t *j = NULL;
    struct err e = {0};

    if (child_line_parse(SLICE_OF(text, size), &j, &e))
        json_decref(j);
    return e.code;
}

static enum err_code code_of_text(const char *text)
{
    return code_of(text, strlen(text));
}

TEST(lines_that_no_job_of_ours_writes_are_refused)
{
    AUTO(buf) struct buf deep = {0};

    CHECK(code_of_text("") == ERR_CORRUPT);
    CHECK(code_of_text("hello") == ERR_CORRUPT);
    CHECK(code_of_text("{}") == ERR_CORRUPT);
    CHECK(code_of_text("{\"message_type\":1}") == ERR_CORRUPT);
    CHECK(code_of_text("\"text\"") == ERR_CORRUPT);
    CHECK(code_of_text("{\"message_type\":\"a\"} x") == ERR_CORRUPT);
    CHECK(code_of_text("{\"message_type\":\"a\",\"message_type\":\"b\"}") == ERR_CORRUPT);
    CHECK(code_of_text("{\"message_type\":\"\\u0000\"}") == ERR_CORRUPT);
    CHECK(code_of_text("{\"message_type\":\"\xff\"}") == ERR_CORRUPT);
    CHECK(code_of("{\"message_type\":\"a\"}\0", 20) == ERR_NONE);
    CHECK(code_of("{\"message_type\":\"a\"}\0", 21) == ERR_CORRUPT);
    for (size_t n = 0; n < 100000; n++)
        buf_append(&deep, "[", 1);
    CHECK(code_of((const char *)deep.data, deep.size) == ERR_CORRUPT);
}
END

TEST(unknown_messages_brackets_in_texts_and_arrays_are_passed_on)
{
    AUTO(buf) struct buf text = {0};

    CHECK(code_of_text("{\"message_type\":\"of tomorrow\",\"x\":{\"y\":[1]}}") == ERR_NONE);
    CHECK(code_of_text("[{\"host\":\"a\"}]") == ERR_NONE);
    buf_printf(&text, "{\"message_type\":\"");
    for (size_t n = 0; n < 100; n++)
        buf_printf(&text, "[{\\\"");
    buf_printf(&text, "\"}");
    CHECK(code_of((const char *)text.data, text.size) == ERR_NONE);
}
END

static void count_line(void *arg, struct slice line)
{
    buf_printf(arg, "<%.*s>", (int)line.size, (const char *)line.data);
}

TEST(lines_come_out_of_pieces_of_any_size)
{
    const char *text = "one\n\ntwo\nthree";

    for (size_t piece = 1; piece < 14; piece++) {
        AUTO(child_lines) struct child_lines l = {0};
        AUTO(buf) struct buf out = {0};

        for (size_t at = 0; at < strlen(text); at += piece) {
            const size_t left = strlen(text) - at;

            CHECK(child_lines_add(&l, SLICE_OF(text + at, left < piece ? left : piece), count_line,
                                  &out));
        }
        ck_assert_str_eq(buf_string(&out), "<one><><two>");
        ck_assert_uint_eq(l.rest.size, 5);
    }
}
END

TEST(a_line_without_end_is_not_kept)
{
    AUTO(child_lines) struct child_lines l = {0};
    AUTO(buf) struct buf out = {0};
    AUTO(mem) uint8_t *bytes = mem_array(1 << 20, 1);

    memset(bytes, 'x', 1 << 20);
    CHECK(child_lines_add(&l, SLICE_OF(bytes, 1 << 20), count_line, &out));
    CHECK(!child_lines_add(&l, SLICE_OF(bytes, 1), count_line, &out));
    CHECK(!child_lines_add(&l, SLICE_OF("\n{}\n", 4), count_line, &out));
    CHECK(l.rest.size <= CHILD_LINE_MAX && out.size == 0);
}
END

/* Jobs */

#define HEAD "{\"format\":1,\"id\":\"a-1\",\"attempt\":2,\"config\":\"/c.yaml\","

static enum err_code job_code(const char *text)
{
    AUTO(child_job) struct child_job j = {0};
    struct err e = {0};

    return child_job_parse(slice_string(text), &j, &e) ? ERR_NONE : e.code;
}

TEST(a_job_is_read_as_it_was_written)
{
    AUTO(child_job) struct child_job j = {0};
    AUTO(child_job) struct child_job again = {0};
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf second = {0};

    CHECK_OK(child_job_parse(
        slice_string(HEAD "\"verb\":\"backup\",\"set\":\"shop\",\"arguments\":{\"force\":true},"
                          "\"limits\":{\"time_s\":5,\"memory\":1000},\"must_confine\":true}"),
        &j, e));
    CHECK(j.verb == CHILD_BACKUP && j.attempt == 2 && j.limits.time_s == 5 &&
          j.limits.grace_s == 30 && j.limits.memory == 1000 && j.must_confine);
    child_job_format(&j, &first);
    CHECK_OK(child_job_parse(buf_slice(&first), &again, e));
    child_job_format(&again, &second);
    ck_assert_str_eq(buf_string(&first), buf_string(&second));
}
END

TEST(a_job_that_makes_no_sense_is_refused)
{
    CHECK(job_code(HEAD "\"verb\":\"prune\"}") == ERR_NONE);
    CHECK(job_code(HEAD "\"verb\":\"serve\"}") == ERR_USAGE);
    CHECK(job_code(HEAD "\"verb\":\"prune\",\"more\":1}") == ERR_CORRUPT);
    CHECK(job_code(HEAD "\"verb\":\"prune\",\"arguments\":[]}") == ERR_USAGE);
    CHECK(job_code(HEAD "\"verb\":\"prune\",\"limits\":{\"time_s\":-1}}") == ERR_USAGE);
    CHECK(job_code(HEAD "\"verb\":\"prune\",\"limits\":{\"time_s\":1e300}}") == ERR_CORRUPT);
    CHECK(job_code("{\"format\":2,\"id\":\"a\",\"verb\":\"prune\",\"config\":\"/c\"}") ==
          ERR_CORRUPT);
    CHECK(job_code("{\"format\":1,\"id\":\"../a\",\"verb\":\"prune\",\"config\":\"/c\"}") ==
          ERR_USAGE);
    CHECK(job_code("{\"format\":1,\"id\":\"a\",\"verb\":\"prune\",\"config\":\"c\"}") == ERR_USAGE);
    CHECK(job_code("nothing") == ERR_CORRUPT);
}
END

/* A configuration of everything, in a world of acts. */
struct world {
    struct acts acts;
    struct config *config;
    char *path;
};

static void world_init(struct world *w, const char *sources)
{
    AUTO(buf) struct buf text = {0};

    acts_init(&w->acts);
    w->path = mem_string(acts_path(&w->acts, "holdfast.yaml"));
    buf_printf(&text,
               "state: %s/state\n"
               "repositories:\n"
               "  main: {url: %s/inside, key_file: %s/readable/kept}\n"
               "  vault: {url: \"s3:https://s3.example.org/b\", password_command: [echo, \"it's\"],"
               " options: {s3.region: x}}\n"
               "sets:\n"
               "  shop:\n"
               "    sources: [%s]\n"
               "    repositories: [main]\n",
               w->acts.scratch.path, w->acts.scratch.path, w->acts.scratch.path, sources);
    file_put_text(w->path, buf_string(&text));
    CHECK(chmod(w->path, 0600) == 0);
    CHECK_OK(config_load(w->path, &w->config, e));
}

static void world_auto(struct world *w)
{
    config_free(w->config);
    mem_free(w->path);
    acts_auto(&w->acts);
}

static bool plan(struct world *w, enum child_verb verb, const char *set, const char *arguments,
                 struct child_plan *out, struct err *e)
{
    AUTO(child_job) struct child_job j = {.id = "a", .attempt = 1, .verb = verb};

    j.config = mem_string(w->path);
    j.set = set == NULL ? NULL : mem_string(set);
    j.arguments = json_loads(arguments, 0, NULL);
    CHECK(j.arguments != NULL);
    return child_plan_make(&j, w->config, out, e);
}

static void join(char **argv, struct buf *out)
{
    for (; *argv != NULL; argv++)
        buf_printf(out, "%s|", *argv);
}

static bool ends_with(struct buf *text, const char *end)
{
    const size_t size = strlen(end);

    return text->size >= size && memcmp(text->data + text->size - size, end, size) == 0;
}

#define FILES_SOURCE "{files: {paths: [/srv/shop]}}"

TEST(no_value_of_a_job_can_be_an_option)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, FILES_SOURCE);
    CHECK_OK(plan(&w, CHILD_RESTORE, "shop",
                  "{\"snapshot\":\"--repo=/evil\",\"include\":[\"--verify\",\"-x\"],"
                  "\"target\":\"--delete\"}",
                  &p, e));
    join(p.argv, &all);
    CHECK(ends_with(&all, "|--include=--verify|--include=-x|--target=--delete|--|--repo=/evil|"));
    CHECK(strncmp(p.argv[1], "--sandbox=", 10) == 0);
    for (char **one = p.argv + 2; strcmp(*one, "--") != 0; one++)
        CHECK(strncmp(*one, "--sandbox", 9) != 0);
}
END

TEST(a_restore_of_tables_is_not_one_of_the_set_and_needs_no_repository)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(child_plan) struct child_plan q = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, FILES_SOURCE);
    CHECK_OK(plan(&w, CHILD_RESTORE, "shop",
                  "{\"snapshot\":\"ab12:/postgres/a\",\"tables\":[\"--yes\",\"a.b\"],"
                  "\"in_place\":true,\"plan\":true}",
                  &p, e));
    join(p.argv, &all);
    CHECK(ends_with(&all, "|--set=shop|--table=--yes|--table=a.b|--in-place|--plan|--"
                          "|ab12:/postgres/a|"));
    CHECK(strstr(buf_string(&all), "--repo=") == NULL);
    CHECK(strstr(buf_string(&all), "|--yes|") == NULL);
    buf_clear(&all);
    CHECK_OK(plan(&w, CHILD_RESTORE, "shop",
                  "{\"snapshot\":\"ab12:/postgres/a\",\"schemas\":[\"s\"],\"into\":\"--dsn\"}", &q,
                  e));
    join(q.argv, &all);
    CHECK(ends_with(&all, "|--set=shop|--schema=s|--into=--dsn|--|ab12:/postgres/a|"));
}
END

TEST(a_backup_is_told_its_job_and_looks_for_a_former_snapshot_from_the_second_attempt_on)
{
    AUTO(world) struct world w;

    world_init(&w, FILES_SOURCE);
    for (int attempt = 1; attempt <= 2; attempt++) {
        AUTO(child_job) struct child_job j = {.id = "j-17", .attempt = attempt};
        AUTO(child_plan) struct child_plan p = {0};
        AUTO(buf) struct buf all = {0};

        j.config = mem_string(w.path);
        j.set = mem_string("shop");
        CHECK_OK(child_plan_make(&j, w.config, &p, e));
        join(p.argv, &all);
        CHECK(strstr(buf_string(&all), "|--job=j-17|") != NULL);
        CHECK((strstr(buf_string(&all), "|--again|") != NULL) == (attempt == 2));
    }
}
END

TEST(fields_that_are_unknown_or_of_another_type_are_refused)
{
    static const char *const bad[] = {
        "{\"exclude\":[\"x\"]}",     "{\"tags\":\"x\"}",          "{\"tags\":[1]}",
        "{\"force\":\"yes\"}",       "{\"tags\":[\"a\\nb\"]}",    "{\"tags\":[\"\"]}",
        "{\"repository\":\"none\"}", "{\"password\":\"secret\"}", "{\"-c\":true}",
    };
    AUTO(world) struct world w;

    world_init(&w, FILES_SOURCE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        AUTO(child_plan) struct child_plan p = {0};

        CHECK_ERR(plan(&w, CHILD_BACKUP, "shop", bad[i], &p, e), ERR_USAGE);
    }
    AUTO(child_plan) struct child_plan p = {0};

    CHECK_ERR(plan(&w, CHILD_BACKUP, NULL, "{}", &p, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_BACKUP, "absent", "{}", &p, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_PRUNE, NULL, "{}", &p, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_RESTORE, "shop", "{}", &p, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_RESTORE, "shop",
                   "{\"snapshot\":\"latest\",\"dsn\":\"host=a password=b\"}", &p, e),
              ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_RESTORE, "shop",
                   "{\"snapshot\":\"latest\",\"dsn\":\"postgresql://u:secret@h/d\"}", &p, e),
              ERR_USAGE);
}
END

#define TASK "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(a_job_for_cfms_has_the_places_of_the_configuration_and_no_others)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(child_plan) struct child_plan q = {0};
    AUTO(buf) struct buf all = {0};
    static char database[] = "/srv/app.db";
    static char content[] = "/srv/content";
    static char output[] = "/out";
    static char keys[] = "/keys";

    world_init(&w, FILES_SOURCE);
    CHECK_ERR(plan(&w, CHILD_CFMS_EXPORT, NULL, "{}", &p, e), ERR_USAGE);
    w.config->serve.has_cfms = true;
    w.config->serve.cfms = (struct config_cfms){
        .database = database, .content_dir = content, .output_dir = output, .key_dir = keys};
    CHECK_ERR(plan(&w, CHILD_CFMS_EXPORT, NULL, "{\"output_dir\":\"/etc\"}", &p, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_CFMS_EXPORT, "shop", "{}", &p, e), ERR_USAGE);
    CHECK_OK(plan(&w, CHILD_CFMS_EXPORT, NULL, "{\"name\":\"friday\"}", &p, e));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|cfms|export|--json|") != NULL);
    CHECK(ends_with(&all, "|--database=/srv/app.db|--content-dir=/srv/content|--output-dir=/out|"
                          "--key-dir=/keys|--name=friday|--|"));
    CHECK(!p.profile.may_exec && p.profile.network == SANDBOX_NETWORK_NONE);
    for (const char *const *path = p.profile.writable; *path != NULL; path++)
        CHECK(strcmp(*path, "/srv/content") != 0);
    CHECK_ERR(plan(&w, CHILD_CFMS_IMPORT, NULL, "{}", &q, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_CFMS_IMPORT, NULL, "{\"task\":\"../../etc\"}", &q, e), ERR_USAGE);
    CHECK_OK(plan(&w, CHILD_CFMS_IMPORT, NULL, "{\"task\":\"" TASK "\"}", &q, e));
    buf_clear(&all);
    join(q.argv, &all);
    CHECK(strstr(buf_string(&all), "/cfms/" TASK "/key|--|") != NULL);
    CHECK(ends_with(&all, "/cfms/" TASK "/archive|"));
    CHECK(strstr(buf_string(&all), "--remap") == NULL &&
          strstr(buf_string(&all), "--allow-unauthenticated") == NULL);
}
END

#define MAIN "{\"repository\":\"main\"}"

TEST(a_command_is_the_one_that_the_job_names_and_tags_only_snapshots_of_its_set)
{
    static const struct {
        enum child_verb verb;
        const char *arguments;
    } bad[] = {
        {CHILD_PARITY, MAIN},
        {CHILD_PARITY, "{\"repository\":\"main\",\"command\":\"stats\"}"},
        {CHILD_PARITY, "{\"repository\":\"main\",\"command\":\"parity\"}"},
        {CHILD_REPAIR, "{\"repository\":\"main\",\"command\":\"repair index --force\"}"},
        {CHILD_MEASURE, "{\"command\":\"stats\"}"},
        {CHILD_REENCRYPT, "{\"command\":\"key reencrypt\"}"},
        {CHILD_REENCRYPT, "{\"repository\":\"main\",\"command\":\"key rotate\"}"},
        {CHILD_REENCRYPT,
         "{\"repository\":\"main\",\"command\":\"key reencrypt\",\"drop_others\":true}"},
        {CHILD_TAG, "{\"repository\":\"main\",\"command\":\"tag\",\"add\":[\"x\"]}"},
        {CHILD_TAG, "{\"repository\":\"main\",\"command\":\"tag\",\"snapshots\":[]}"},
        {CHILD_CHECK, "{\"repository\":\"main\",\"command\":\"tag\"}"},
    };
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(child_plan) struct child_plan q = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, FILES_SOURCE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(plan(&w, bad[i].verb, bad[i].verb == CHILD_TAG ? "shop" : NULL, bad[i].arguments,
                       &p, e),
                  ERR_USAGE);
    CHECK_OK(plan(&w, CHILD_TAG, "shop",
                  "{\"repository\":\"main\",\"command\":\"tag\",\"snapshots\":[\"--set=\"],"
                  "\"add\":[\"pin\"]}",
                  &p, e));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|tag|--json|") != NULL);
    CHECK(strstr(buf_string(&all), "|--of-set=shop|") != NULL);
    CHECK(ends_with(&all, "|--add=pin|--|--set=|"));
    buf_clear(&all);
    CHECK_OK(plan(&w, CHILD_REPAIR, NULL, "{\"repository\":\"main\",\"command\":\"repair packs\"}",
                  &q, e));
    join(q.argv, &all);
    CHECK(strstr(buf_string(&all), "|repair|packs|--json|") != NULL);
}
END

TEST(reencrypting_is_about_one_repository_and_as_much_of_it_as_the_job_says)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, FILES_SOURCE);
    CHECK_OK(plan(&w, CHILD_REENCRYPT, NULL,
                  "{\"repository\":\"main\",\"command\":\"key reencrypt\","
                  "\"max_repack_size\":\"-1\"}",
                  &p, e));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|key|reencrypt|--json|") != NULL);
    CHECK(ends_with(&all, "|--max-repack-size=-1|--|"));
    CHECK(strstr(buf_string(&all), "--dry-run") == NULL);
}
END

TEST(what_was_forgotten_is_named_to_come_back_and_nothing_else_goes_with_it)
{
    static const char *const bad[] = {"{\"undo\":[]}", "{\"undo\":[\"ab12\"],\"prune\":true}",
                                      "{\"undo\":[\"ab12\"],\"keep_last\":1}",
                                      "{\"undo\":[\"ab12\"],\"snapshots\":[\"cd34\"]}",
                                      "{\"undo\":\"ab12\"}"};
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};
    struct err why = {0};

    world_init(&w, FILES_SOURCE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(plan(&w, CHILD_FORGET, "shop", bad[i], &p, e), ERR_USAGE);
    CHECK(plan(&w, CHILD_FORGET, "shop", "{\"undo\":[\"ab12\",\"-x\"],\"repository\":\"main\"}", &p,
               &why));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|--set=shop|") != NULL);
    CHECK(strstr(buf_string(&all), "|--undo=ab12|--undo=-x|") != NULL);
}
END

TEST(a_repository_is_named_with_its_secret_and_options)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, FILES_SOURCE);
    CHECK_OK(plan(&w, CHILD_PRUNE, NULL, "{\"repository\":\"vault\"}", &p, e));
    join(p.argv, &all);
    CHECK(ends_with(&all, "|--repo=s3:https://s3.example.org/b|--password-command='echo' "
                          "'it'\\''s'|--option=s3.region=x|--|"));
}
END

#define ARRIVED "0123456789abcdef0123456789abcdef"
#define THERE   "{\"arrival\":\"" ARRIVED "\","

TEST(an_import_reads_what_an_id_names_and_nothing_of_the_jobs_choice)
{
    static const char *const bad[] = {
        "{}",
        "{\"file\":\"a\",\"arrival\":\"\"}",
        "{\"file\":\"a\",\"arrival\":\"../../../etc\"}",
        "{\"file\":\"a\",\"arrival\":\"0123456789ABCDEF0123456789abcdef\"}",
        "{\"file\":\"a\",\"arrival\":\"" ARRIVED "0\"}",
        "{\"arrival\":\"" ARRIVED "\"}",
        THERE "\"file\":\"..\"}",
        THERE "\"file\":\"../key.0\"}",
        THERE "\"file\":\"\"}",
        THERE "\"file\":\"a\",\"keys\":17}",
        THERE "\"file\":\"a\",\"keys\":-1}",
        THERE "\"file\":\"a\",\"archive-key-file\":\"/etc/shadow\"}",
    };
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};
    AUTO(buf) struct buf wanted = {0};
    struct child_job j = {.verb = CHILD_IMPORT};
    const char *const *one;

    world_init(&w, FILES_SOURCE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(plan(&w, CHILD_IMPORT, "shop", bad[i], &p, e), ERR_USAGE);
    CHECK_ERR(plan(&w, CHILD_IMPORT, NULL, THERE "\"file\":\"a\"}", &p, e), ERR_USAGE);
    CHECK_OK(plan(&w, CHILD_IMPORT, "shop",
                  THERE "\"file\":\"-x y\",\"name\":\"--yes\",\"allow_unauthenticated\":true,"
                        "\"keys\":2}",
                  &p, e));
    join(p.argv, &all);
    buf_printf(&wanted,
               "|--name=--yes|--allow-unauthenticated|--archive-key-file=%s/imports/" ARRIVED
               "/key.0|--archive-key-file=%s/imports/" ARRIVED "/key.1|--|%s/imports/" ARRIVED
               "/archive/-x y|",
               w.config->state, w.config->state, w.config->state);
    CHECK(ends_with(&all, buf_string(&wanted)));
    CHECK(strstr(buf_string(&all), "|import|--json|") != NULL);
    CHECK(strstr(buf_string(&all), "|--set=shop|") != NULL);
    /* Its sources are not touched. */
    for (one = p.profile.readable; *one != NULL; one++)
        CHECK(strcmp(*one, "/srv/shop") != 0);
    ck_assert_str_eq(child_plan_promise(&j).message, "summary");
    ck_assert_str_eq(child_plan_promise(&j).key, "snapshot_id");
}
END

TEST(an_export_for_somebody_who_waits_goes_to_its_output)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, FILES_SOURCE);
    CHECK_OK(plan(&w, CHILD_EXPORT, "shop", "{\"words\":[\"--output-dir=/etc\"]}", &p, e));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|export|wireguard|--json|") != NULL);
    CHECK(strstr(buf_string(&all), "|--set=shop|--stdout|") != NULL);
    CHECK(ends_with(&all, "|--|--output-dir=/etc|"));
    CHECK(child_verb_is_reading(CHILD_EXPORT));
}
END

TEST(an_undo_is_of_one_set_or_of_any)
{
    for (int i = 0; i < 2; i++) {
        AUTO(world) struct world w;
        AUTO(child_plan) struct child_plan p = {0};
        AUTO(buf) struct buf all = {0};

        world_init(&w, FILES_SOURCE);
        CHECK_OK(plan(&w, CHILD_UNDO, i == 0 ? "shop" : NULL, "{\"restore\":\"ab12cd34\"}", &p, e));
        join(p.argv, &all);
        CHECK((strstr(buf_string(&all), "|--set=shop|") != NULL) == (i == 0));
        CHECK(strstr(buf_string(&all), "|--config=") != NULL && ends_with(&all, "|--|ab12cd34|"));
    }
}
END

TEST(the_environment_of_a_job_is_the_listed_names)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};

    world_init(&w, "{command: {name: c, argv: [/bin/true], environment: [WANTED]}}");
    CHECK(clearenv() == 0);
    CHECK(setenv("HOLDFAST_PASSWORD", "canary", 1) == 0);
    CHECK(setenv("AWS_SECRET_ACCESS_KEY", "canary", 1) == 0);
    CHECK(setenv("LD_PRELOAD", "canary", 1) == 0);
    CHECK(setenv("PATH", "canary", 1) == 0);
    CHECK(setenv("HOME", "/root", 1) == 0);
    CHECK(setenv("WANTED", "yes", 1) == 0);
    CHECK_OK(plan(&w, CHILD_BACKUP, "shop", "{}", &p, e));
    join(p.environment, &all);
    ck_assert_str_eq(buf_string(&all),
                     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|"
                     "LC_ALL=C.UTF-8|HOLDFAST_PROGRESS_FPS=1|HOME=/root|WANTED=yes|");
}
END

/* Sandboxes of verbs */

#define ALWAYS " unix_connect read_readable "
#define INSIDE " read_inside write_inside make_inside "
#define CLIENT " tcp_connect tcp_bind udp_socket tcp6_socket netlink_socket "
#define OWNERS " chmod_outside chown_outside xattr_outside device_inside "

/* The acts that the plan of a verb leaves; scratch folders are elsewhere. */
static void check_acts(const char *sources, enum child_verb verb, const char *arguments,
                       const char *wanted)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    const bool has_set = verb != CHILD_UNDO && child_verb_takes_set(verb);

    world_init(&w, sources);
    CHECK(mkdir(acts_path(&w.acts, "tmp"), 0700) == 0);
    CHECK(setenv("TMPDIR", acts_path(&w.acts, "tmp"), 1) == 0);
    CHECK(unsetenv("HOME") == 0);
    CHECK_OK(plan(&w, verb, has_set ? "shop" : NULL, arguments, &p, e));
    acts_check(&w.acts, &p.profile, wanted);
}

TEST(prune_forget_and_copy_reach_their_repository_only)
{
    check_acts(FILES_SOURCE, CHILD_PRUNE, MAIN, ALWAYS INSIDE);
    check_acts(FILES_SOURCE, CHILD_FORGET, "{}", ALWAYS INSIDE);
    check_acts(FILES_SOURCE, CHILD_COPY, "{}", ALWAYS INSIDE);
}
END

TEST(an_import_starts_what_reads_for_it_and_no_other_program)
{
    check_acts(FILES_SOURCE, CHILD_IMPORT, THERE "\"file\":\"a\"}", ALWAYS INSIDE);
}
END

#define OF_A_GATEWAY                                               \
    "{files: {paths: [/srv/shop]}}, {sqlite: {path: /srv/a.db}}, " \
    "{command: {name: c, argv: [/bin/true], apply: [/bin/true]}}"

TEST(an_import_as_members_reads_what_it_is_laid_over_and_runs_nothing_of_the_set)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};
    bool has_tree = false;
    bool has_database = false;

    world_init(&w, OF_A_GATEWAY);
    CHECK_OK(plan(&w, CHILD_IMPORT, "shop", THERE "\"file\":\"a\",\"as_members\":true}", &p, e));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|--as-members|") != NULL);
    for (const char *const *one = p.profile.readable; *one != NULL; one++) {
        CHECK(strcmp(*one, "/") != 0);
        has_tree = has_tree || strcmp(*one, "/srv/shop") == 0;
    }
    for (const char *const *one = p.profile.writable; *one != NULL; one++) {
        CHECK(strcmp(*one, "/run") != 0);
        has_database = has_database || strcmp(*one, "/srv") == 0;
    }
    CHECK(has_tree && has_database);
}
END

TEST(an_import_as_members_has_no_programs_and_no_network_of_its_set)
{
    check_acts(OF_A_GATEWAY, CHILD_IMPORT, THERE "\"file\":\"a\",\"as_members\":true}",
               ALWAYS INSIDE "list_outside environment_of_peer");
    check_acts(OF_A_GATEWAY, CHILD_IMPORT, THERE "\"file\":\"a\",\"as_members\":false}",
               ALWAYS INSIDE);
}
END

TEST(trying_a_set_reaches_what_a_backup_reaches)
{
    check_acts(FILES_SOURCE, CHILD_TRY, "{}", ALWAYS INSIDE "list_outside environment_of_peer");
}
END

TEST(a_trial_is_a_command_of_two_words_about_one_set)
{
    AUTO(world) struct world w;
    AUTO(child_plan) struct child_plan p = {0};
    AUTO(buf) struct buf all = {0};
    struct err e = {0};

    world_init(&w, FILES_SOURCE);
    CHECK(plan(&w, CHILD_TRY, "shop", "{\"command\":\"config test\"}", &p, &e));
    join(p.argv, &all);
    CHECK(strstr(buf_string(&all), "|config|test|--json|") != NULL);
    CHECK(ends_with(&all, "|--|shop|"));
    CHECK(!plan(&w, CHILD_TRY, NULL, "{}", &p, &e));
    CHECK(!plan(&w, CHILD_TRY, "shop", "{\"document\":\"{}\"}", &p, &e));
}
END

TEST(check_writes_nothing_unless_it_repairs)
{
    check_acts(FILES_SOURCE, CHILD_CHECK, MAIN, ALWAYS "read_inside");
    check_acts(FILES_SOURCE, CHILD_CHECK, "{\"repository\":\"main\",\"repair\":true}",
               ALWAYS INSIDE);
}
END

TEST(a_remote_repository_takes_a_network_and_a_command_takes_programs)
{
    check_acts(FILES_SOURCE, CHILD_MEASURE, "{\"repository\":\"main\",\"command\":\"stats\"}",
               ALWAYS "read_inside");
    check_acts(FILES_SOURCE, CHILD_KEYS, "{\"repository\":\"main\",\"command\":\"key list\"}",
               ALWAYS "read_inside");
    check_acts(FILES_SOURCE, CHILD_PARITY,
               "{\"repository\":\"main\",\"command\":\"parity status\"}", ALWAYS "read_inside");
    check_acts(FILES_SOURCE, CHILD_PARITY,
               "{\"repository\":\"main\",\"command\":\"parity enable\"}", ALWAYS INSIDE);
    check_acts(FILES_SOURCE, CHILD_REENCRYPT,
               "{\"repository\":\"main\",\"command\":\"key reencrypt\",\"dry_run\":true}",
               ALWAYS "read_inside");
    check_acts(FILES_SOURCE, CHILD_REENCRYPT,
               "{\"repository\":\"main\",\"command\":\"key reencrypt\"}", ALWAYS INSIDE);
    check_acts(FILES_SOURCE, CHILD_REPAIR, "{\"repository\":\"main\",\"command\":\"repair index\"}",
               ALWAYS INSIDE);
    check_acts(FILES_SOURCE, CHILD_TAG,
               "{\"repository\":\"main\",\"command\":\"tag\",\"snapshots\":[\"ab12\"]}",
               ALWAYS INSIDE);
    check_acts(FILES_SOURCE, CHILD_CHECK, "{\"repository\":\"vault\"}",
               CLIENT "unix_connect exec_shell raw_socket");
}
END

TEST(backup_of_files_starts_nothing_and_lists_the_way_to_them)
{
    check_acts(FILES_SOURCE, CHILD_BACKUP, "{}", ALWAYS INSIDE "list_outside environment_of_peer");
}
END

TEST(backup_of_a_command_reads_everything_and_writes_what_it_did)
{
    check_acts("{command: {name: c, argv: [/bin/true]}}", CHILD_BACKUP, "{}",
               ALWAYS INSIDE CLIENT "list_outside read_outside read_shadow exec_shell raw_socket");
}
END

TEST(drill_has_programs_but_no_network)
{
    check_acts(FILES_SOURCE, CHILD_DRILL, "{}", ALWAYS INSIDE OWNERS "exec_shell");
}
END

TEST(restore_sets_owners_of_what_it_restores)
{
    check_acts(FILES_SOURCE, CHILD_RESTORE, "{\"snapshot\":\"latest\",\"in_place\":true}",
               ALWAYS INSIDE OWNERS "list_outside exec_shell environment_of_peer");
    check_acts(FILES_SOURCE, CHILD_UNDO, "{}",
               ALWAYS INSIDE OWNERS "list_outside environment_of_peer");
}
END

/* The places of the set are not its business, nor are its programs. */
TEST(a_restore_of_tables_changes_a_database_and_nothing_on_the_disk)
{
    static const char source[] = FILES_SOURCE "]\n    restore: {stop: [[/bin/true]]}\n    tags: [a";
    static const char *const parts[] = {
        "{\"snapshot\":\"ab12:/postgres/a\",\"tables\":[\"a.b\"],\"in_place\":true}",
        "{\"snapshot\":\"ab12:/postgres/a\",\"schemas\":[\"a\"],\"into\":\"new\"}",
        "{\"snapshot\":\"ab12:/postgres/a\",\"data_only\":true,\"into\":\"new\"}",
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        check_acts(source, CHILD_RESTORE, parts[i], ALWAYS "read_inside");
}
END

#define SWITCHED FILES_SOURCE "]\n    restore: {stop: [[/bin/true]]}\n    tags: [a"

TEST(what_stops_and_starts_an_application_is_for_restores_and_undos_only)
{
    check_acts(SWITCHED, CHILD_RESTORE, "{\"snapshot\":\"latest\",\"in_place\":true}",
               ALWAYS INSIDE OWNERS CLIENT "list_outside read_outside read_shadow exec_shell "
                                           "raw_socket environment_of_peer");
    check_acts(SWITCHED, CHILD_UNDO, "{}",
               ALWAYS INSIDE OWNERS CLIENT "list_outside read_outside read_shadow exec_shell "
                                           "raw_socket environment_of_peer");
    check_acts(SWITCHED, CHILD_BACKUP, "{}", ALWAYS INSIDE "list_outside environment_of_peer");
    check_acts(SWITCHED, CHILD_PRUNE, MAIN, ALWAYS INSIDE);
}
END

/* Outcomes */

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static enum child_state judge(enum child_verb verb, const char *arguments, const char *ended,
                              const char *result, bool is_bad)
{
    AUTO(child_job) struct child_job j = {.id = "a", .attempt = 1, .verb = verb};
    AUTO(json) json_t *exit = ended == NULL ? NULL : json_loads(ended, 0, NULL);
    AUTO(json) json_t *said = result == NULL ? NULL : json_loads(result, 0, NULL);
    AUTO(child_outcome) struct child_outcome o = {0};
    struct child_end end = {exit, said, {0}, ""};

    j.arguments = json_loads(arguments, 0, NULL);
    if (is_bad)
        end.bad_line.code = ERR_CORRUPT;
    child_outcome_judge(&j, &end, &o);
    CHECK((o.state == CHILD_SUCCEEDED) == (o.why.text[0] == '\0'));
    return o.state;
}

#define GOOD "{\"message_type\":\"summary\",\"snapshot_id\":\"" ID64 "\"}"

TEST(success_is_status_0_and_the_id_of_a_snapshot)
{
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0}", GOOD, false) == CHILD_SUCCEEDED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0}", GOOD, true) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0}", NULL, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0}", "{\"message_type\":\"summary\"}", false) ==
          CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0}",
                "{\"message_type\":\"summary\",\"snapshot_id\":\"abc\"}", false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0}",
                "{\"message_type\":\"summary\",\"error_count\":1,\"snapshot_id\":\"" ID64 "\"}",
                false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":1}", GOOD, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{\"dry_run\":true}", "{\"status\":0}",
                "{\"message_type\":\"summary\"}", false) == CHILD_SUCCEEDED);
    CHECK(judge(CHILD_DRILL, "{}", "{\"status\":0}",
                "{\"message_type\":\"drill\",\"verdict\":\"failed\",\"snapshot\":\"" ID64 "\"}",
                false) == CHILD_FAILED);
    CHECK(judge(CHILD_DRILL, "{}", "{\"status\":0}",
                "{\"message_type\":\"drill\",\"verdict\":\"proven\",\"snapshot\":\"" ID64 "\"}",
                false) == CHILD_SUCCEEDED);
    CHECK(judge(CHILD_RESTORE, "{\"in_place\":true}", "{\"status\":0}", GOOD, false) ==
          CHILD_FAILED);
    CHECK(judge(CHILD_RESTORE, "{\"in_place\":true,\"tables\":[\"a.b\"]}", "{\"status\":0}",
                "{\"message_type\":\"summary\",\"into\":\"shop\"}", false) == CHILD_SUCCEEDED);
}
END

TEST(each_status_has_its_state)
{
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":3}", GOOD, false) == CHILD_INCOMPLETE);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":3}", NULL, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":11}", NULL, false) == CHILD_CONFLICT);
    CHECK(judge(CHILD_DRILL, "{}", "{\"status\":14}", NULL, false) == CHILD_DRILL_FAILED);
    CHECK(judge(CHILD_FORGET, "{}", "{\"status\":15}", NULL, false) == CHILD_REFUSED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":130}", NULL, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"signal\":9}", GOOD, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", NULL, GOOD, false) == CHILD_INTERRUPTED);
    CHECK(judge(CHILD_BACKUP, "{}", "{}", GOOD, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"why\":\"x\"}", GOOD, false) == CHILD_FAILED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"signal\":9,\"reason\":\"stall\"}", NULL, false) ==
          CHILD_STALLED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":130,\"reason\":\"time\"}", NULL, false) ==
          CHILD_TIMED_OUT);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":130,\"reason\":\"cancel\"}", NULL, false) ==
          CHILD_CANCELLED);
    CHECK(judge(CHILD_BACKUP, "{}", "{\"status\":0,\"reason\":\"cancel\"}", GOOD, false) ==
          CHILD_SUCCEEDED);
}
END

TEST(the_sentence_of_a_failure_is_the_last_exit_error)
{
    AUTO(child_job) struct child_job j = {.id = "a", .attempt = 1, .verb = CHILD_BACKUP};
    AUTO(json) json_t *exit = json_pack("{s:i}", "status", 12);
    AUTO(child_outcome) struct child_outcome o = {0};
    const struct child_end end = {
        exit,
        NULL,
        {0},
        "noise\n{\"message_type\":\"exit_error\",\"message\":\"first\"}\n"
        "{\"message_type\":\"exit_error\",\"code\":12,\"message\":\"wrong password\","
        "\"opening\":true}\n"};

    child_outcome_judge(&j, &end, &o);
    ck_assert_str_eq(o.why.text, "wrong password");
    CHECK(o.is_opening);
}
END

/* Side by side */

TEST(a_set_has_one_writer)
{
    CHECK(runner_collide(CHILD_BACKUP, "a", CHILD_BACKUP, "a"));
    CHECK(runner_collide(CHILD_BACKUP, "a", CHILD_DRILL, "a"));
    CHECK(!runner_collide(CHILD_BACKUP, "a", CHILD_BACKUP, "b"));
    CHECK(!runner_collide(CHILD_DRILL, "a", CHILD_DRILL, "a"));
    CHECK(runner_collide(CHILD_UNDO, NULL, CHILD_BACKUP, "a"));
    CHECK(runner_collide(CHILD_RESTORE, "a", CHILD_UNDO, NULL));
    CHECK(runner_collide(CHILD_PRUNE, NULL, CHILD_PRUNE, NULL));
    CHECK(!runner_collide(CHILD_PRUNE, NULL, CHILD_BACKUP, "a"));
    CHECK(runner_collide(CHILD_PRUNE, NULL, CHILD_REENCRYPT, NULL));
    CHECK(runner_collide(CHILD_REENCRYPT, NULL, CHILD_REENCRYPT, NULL));
    CHECK(!runner_collide(CHILD_REENCRYPT, NULL, CHILD_BACKUP, "a"));
}
END

TEST(waiting_in_a_loop_is_no_movement)
{
    CHECK(!child_watch_has_moved(100, 100, 60000));
    CHECK(!child_watch_has_moved(100, 150, 60000));
    CHECK(child_watch_has_moved(100, 170, 60000));
    CHECK(child_watch_has_moved(100, 50, 60000)); /* a process of it has ended */
}
END

#define main acts_tests
TESTS("child", lines_that_no_job_of_ours_writes_are_refused,
      unknown_messages_brackets_in_texts_and_arrays_are_passed_on,
      lines_come_out_of_pieces_of_any_size, a_line_without_end_is_not_kept,
      a_job_is_read_as_it_was_written, a_job_that_makes_no_sense_is_refused,
      no_value_of_a_job_can_be_an_option,
      a_restore_of_tables_is_not_one_of_the_set_and_needs_no_repository,
      a_backup_is_told_its_job_and_looks_for_a_former_snapshot_from_the_second_attempt_on,
      fields_that_are_unknown_or_of_another_type_are_refused,
      what_was_forgotten_is_named_to_come_back_and_nothing_else_goes_with_it,
      a_job_for_cfms_has_the_places_of_the_configuration_and_no_others,
      a_command_is_the_one_that_the_job_names_and_tags_only_snapshots_of_its_set,
      reencrypting_is_about_one_repository_and_as_much_of_it_as_the_job_says,
      a_repository_is_named_with_its_secret_and_options,
      an_import_reads_what_an_id_names_and_nothing_of_the_jobs_choice,
      an_export_for_somebody_who_waits_goes_to_its_output, an_undo_is_of_one_set_or_of_any,
      the_environment_of_a_job_is_the_listed_names,
      prune_forget_and_copy_reach_their_repository_only,
      an_import_starts_what_reads_for_it_and_no_other_program,
      an_import_as_members_reads_what_it_is_laid_over_and_runs_nothing_of_the_set,
      an_import_as_members_has_no_programs_and_no_network_of_its_set,
      trying_a_set_reaches_what_a_backup_reaches, a_trial_is_a_command_of_two_words_about_one_set,
      check_writes_nothing_unless_it_repairs,
      a_remote_repository_takes_a_network_and_a_command_takes_programs,
      backup_of_files_starts_nothing_and_lists_the_way_to_them,
      backup_of_a_command_reads_everything_and_writes_what_it_did,
      drill_has_programs_but_no_network, restore_sets_owners_of_what_it_restores,
      a_restore_of_tables_changes_a_database_and_nothing_on_the_disk,
      what_stops_and_starts_an_application_is_for_restores_and_undos_only,
      success_is_status_0_and_the_id_of_a_snapshot, each_status_has_its_state,
      the_sentence_of_a_failure_is_the_last_exit_error, a_set_has_one_writer,
      waiting_in_a_loop_is_no_movement)
