/* What is no configuration, and where it says so. */
#include <unistd.h>

#include "base/mem.h"
#include "config_world.h"

TEST(an_option_that_no_store_has_is_refused_with_its_line)
{
    CHECK_ROWS(HEAD,
               {"  k: {url: /srv/k, key_file: /etc/k, options: {s3.regoin: x}}",
                "4: stores have no option s3.regoin, did you mean s3.region?"},
               {"  k: {url: /srv/k, key_file: /etc/k, options: {s3.connections: 0}}",
                "4: s3.connections: 0 is not from 1 to 64"},
               {"  k: {url: /srv/k, key_file: /etc/k, options: [s3.region]}", "4: "},
               {"  k: {url: /srv/k, key_file: /etc/k, options: {s3.region: [x]}}",
                "4: s3.region takes one value, not a list"});
}
END

TEST(a_file_that_is_no_mapping_of_known_keys_is_refused)
{
    CHECK_ROWS("", {"", "1: it is empty"}, {"- a", "1: a configuration is a mapping, not a list"},
               {"a: b: c", "1: it is not YAML: mapping values are not allowed"},
               {"state: /x", "1: a configuration needs the key \"repositories\""},
               {"state: x\nrepositories: {}", "1: state must be an absolute path"},
               {"state: /x/../y\nrepositories: {}", "1: state goes through \"..\""},
               {"state: [/x]\nrepositories: {}", "1: state must be a text, not a list"},
               {"state:\nrepositories: {}", "1: state has no value"},
               {"repositories: {}", "1: repositories is empty"},
               {"repositories:", "1: repositories has no value"},
               {"repositories: [a]", "1: repositories must be a mapping, not a list"});
    CHECK_ROWS(HEAD,
               {"repositoris: {}", "4: unknown key \"repositoris\", did you mean "
                                   "\"repositories\"?"},
               {"password: x", "4: unknown key \"password\"; there are state, catalog, "},
               {"\nsets: [x]", "5: sets must be a mapping, not a list"},
               {"serve: on", "4: serve must be a mapping, not a text"},
               {"catalog: mysql", "4: catalog must be sqlite or postgresql://..."},
               {"catalog: {a: b}", "4: catalog must be a text, not a mapping"},
               {"catalog: 'postgresql://u:secret@h/c'", "4: catalog: a secret (password) stands"},
               {"state: /a\nstate: /b", "5: the key \"state\" is there twice"});
}
END

TEST(a_repository_that_lacks_something_is_refused)
{
    CHECK_ROWS(
        "repositories:\n", {"  a: {password_file: /k}", "2: a repository needs the key \"url\""},
        {"  a:\n    url: /r\n  b: {}", "2: repository a needs password_file, "},
        {"  a:", "2: a has no value"}, {"  a: /srv", "2: a must be a mapping, not a text"},
        {"  a: {url: /r, key_file: /k, password_file: /p}",
         "2: a names more than one file or command for its secret"},
        {"  a: {url: r, key_file: /k}", "2: url: it is neither an absolute path nor"},
        {"  a: {url: 'local:r', key_file: /k}", "2: url: it is neither"},
        {"  a:\n    key_file: /k\n    url: 's3:https://u:secret@h/b'",
         "4: url: a password stands inside it"},
        {"  a: {url: '', key_file: /k}", "2: url is empty"},
        {"  a: {url: /r, key_file: secret}", "2: key_file must be an absolute path"},
        {"  a: {url: /r, password_command: pass show}",
         "2: password_command must be a list such as [program, argument], not a text"},
        {"  a: {url: /r, password_command: []}", "2: password_command names no program"},
        {"  a: {url: /r, password_command: ['', x]}", "2: password_command names no program"},
        {"  a: {url: /r, keyfile: /k}", "2: unknown key \"keyfile\", did you mean \"key_file\"?"},
        {"  a b: {}", "2: \"a b\" cannot be a name"}, {"  -x: {}", "2: \"-x\" cannot be a name"},
        {"  ../x: {}", "2: \"../x\" cannot be a name"}, {"  '': {}", "2: \"\" cannot be a name"});
}
END

TEST(a_set_with_a_key_that_is_wrong_or_missing_is_refused)
{
    CHECK_ROWS(
        HEAD "sets:\n", {"  s: {repositories: [main]}", "5: a set needs the key \"sources\""},
        {"  s: {sources: [sqlite: {path: /a}]}", "5: a set needs the key \"repositories\""},
        {"  s: {sources: [], repositories: [main]}", "5: sources is empty"},
        {"  s: {sources: {sqlite: {path: /a}}, repositories: [main]}",
         "5: sources must be a list, not a mapping"},
        {"  s: {sources: [sqlite: {path: /a}],\n repositories: []}", "6: repositories is empty"},
        {"  s: {sources: [sqlite: {path: /a}],\n repositories: [main,\n mian]}",
         "7: there is no repository \"mian\", did you mean \"main\"?"},
        {"  s: {sources: [sqlite: {path: /a}], repositories: [elsewhere]}",
         "5: there is no repository \"elsewhere\""},
        {"  s: {sources: [sqlite: {path: /a}], repositories: [main,\n main]}",
         "6: repository main is there twice"},
        {"  s: {sources: [sqlite: {path: /a}], repositories: main}",
         "5: repositories must be a list, not a text"},
        {"  .s: {}", "5: \".s\" cannot be a name"});
    CHECK_ROWS(SET,
               {"    retenton: {}", "9: unknown key \"retenton\", did you mean \"retention\"?"},
               {"    on_error: ignore", "9: on_error must be fail or incomplete, not \"ignore\""},
               {"    compression: 20", "9: compression: \"20\" is not auto, off, max or 1 to 19"},
               {"    compression: fast", "9: compression: \"fast\" is not auto"},
               {"    compression: [1]", "9: compression must be a text, not a list"},
               {"    on_error:", "9: on_error has no value"},
               {"    required_repositories: 0", "9: required_repositories must be from 1 to 1"},
               {"    required_repositories: 2", "9: required_repositories must be from 1 to 1"},
               {"  shop: {}", "9: the key \"shop\" is there twice"});
}
END

TEST(a_rule_time_notice_or_check_of_a_set_that_makes_no_sense_is_refused)
{
    CHECK_ROWS(
        SET, {"    retention: {}", "9: retention has no rule that keeps a snapshot"},
        {"    retention: {daily: 0}", "9: retention has no rule that keeps a snapshot"},
        {"    retention:\n      daily: seven", "10: daily must be a whole number from 0 to "
                                               "1000000 or unlimited, not seven"},
        {"    retention: {daily: -1}", "9: daily must be a whole number"},
        {"    retention: {daily: 1000001}", "9: daily must be a whole number"},
        {"    retention: {daily: \"7\"}", "9: daily must be a whole number"},
        {"    retention: {within: 2w}", "9: within: \"2w\" is not a duration"},
        {"    retention: {keep_daily: 1}",
         "9: unknown key \"keep_daily\"; there are last, hourly, daily, "},
        {"    schedule: 0 2 * *", "9: schedule: \"0 2 * *\" is no cron expression of five"},
        {"    schedule: 0 2 * * * *", "9: schedule: \"0 2 * * * *\" has more than five"},
        {"    schedule: 60 2 * * *", "9: schedule: field 1 (minute): 60 is above 59"},
        {"    drill: monthly", "9: drill is not after_backup: \"monthly\" is no cron expression"},
        {"    check: monthly", "9: check: \"monthly\" is no cron expression"},
        {"    check: [1]", "9: check must be a text such as \"0 4 * * 0\" or a mapping"},
        {"    check: {read_data: true}", "9: a check needs the key \"cron\""},
        {"    check:\n      cron: '@daily'\n      read_data: [1]", "11: read_data must be true"},
        {"    check: {cron: '@daily', read_data: }", "9: read_data"},
        {"    check: {cron: '@daily', read_data: some}", "9: read_data: \"some\" is not"},
        {"    check: {cron: '@daily', read_data: 101%}", "9: read_data: "},
        {"    check: {cron: '@daily', read_data: 0}", "9: read_data: "},
        {"    check: {cron: '@daily', read_data: ''}", "9: read_data: "},
        {"    check: {cron: '@daily', read_data: 1/7}", "9: read_data: 1/7 would be the same part"},
        {"    check: {cron: '@daily', jitter: 5m}", "9: unknown key \"jitter\""},
        {"    notify: {on_failure: [ops]}", "9: on_failure: it is neither mailto:"},
        {"    notify: {on_failure: ['https://u:p@h/']}", "9: on_failure: a password stands inside"},
        {"    notify:\n      on_success: [\"mailto:a@b\\n.c\"]", "10: on_success: it is neither"},
        {"    notify: {on_error: []}", "9: unknown key \"on_error\"; there are on_success, "},
        {"    health_checks: curl", "9: health_checks must be a list, not a text"},
        {"    health_checks: [curl]", "9: an item of health_checks must be a list such as"},
        {"    health_checks: [[]]", "9: an item of health_checks names no program"},
        {"    restore: {}", "9: restore names no program to stop or start"},
        {"    restore: {timeout: 5s}", "9: restore names no program to stop or start"},
        {"    restore: [a]", "9: restore must be a mapping"},
        {"    restore: {stop: [systemctl, stop]}", "9: an item of stop must be a list such as"},
        {"    restore: {start: [[]]}", "9: an item of start names no program"},
        {"    restore: {start: [[a]], timeout: soon}", "9: timeout: "},
        {"    restore: {begin: [[a]]}", "9: unknown key \"begin\"; there are stop, start, "});
}
END

TEST(a_schedule_or_limit_that_makes_no_sense_is_refused_with_its_line)
{
    CHECK_ROWS(
        SET, {"    schedule: []", "9: schedule must be a text such as"},
        {"    schedule:", "9: schedule must be a text such as"},
        {"    schedule: {timezone: UTC}", "9: a schedule needs the key \"cron\""},
        {"    schedule: {cron: '@daily',\n timezone: Mars/Olympus}",
         "10: timezone: there is no time zone \"Mars/Olympus\""},
        {"    schedule: {cron: '@daily',\n timezone: ../../etc/passwd}",
         "10: timezone: \"../../etc/passwd\" is no name of a time zone"},
        {"    schedule: {timezone: UTC,\n cron: 0 0 31 2 *}",
         "10: schedule: field 3 (day of month)"},
        {"    schedule: {cron: '@daily', jitter: 10}", "9: jitter: \"10\" is not a time"},
        {"    schedule: {cron: '@daily', run_missed: yes}",
         "9: run_missed must be once or skip or all, not \"yes\""},
        {"    schedule: {cron: '@daily', zone: UTC}", "9: unknown key \"zone\"; there are cron, "},
        {"    retention: {daily: 1, min_keep: 0}", "9: min_keep must be at least 1"},
        {"    retention: {daily: 1, max_percent: 101}", "9: max_percent must be at most 100"},
        {"    retention: {daily: 1, only: tested}",
         "9: only must be any or verified or proven or auto, not \"tested\""},
        {"    retention: {min_keep: 3}", "9: retention has no rule that keeps a snapshot"});
}
END

TEST(a_source_of_no_kind_or_of_two_is_refused)
{
    CHECK_ROWS(
        SET, {"    - postgre: {}", "9: unknown key \"postgre\", did you mean \"postgres\"?"},
        {"    - redis: {}",
         "9: unknown key \"redis\"; there are files, postgres, sqlite, command, bundle"},
        {"    - sqlite", "9: a source is a mapping with its kind as key"},
        {"    - {}", "9: a source is a mapping with its kind as key"},
        {"    - sqlite:\n      path: /a", "10: \"path\" stands beside sqlite"},
        {"    - sqlite:", "9: sqlite has no value"},
        {"    - sqlite: /a", "9: sqlite must be a mapping, not a text"},
        {"    - sqlite: {}", "9: a source of kind sqlite needs the key \"path\""},
        {"    - sqlite: {path: a}", "9: path must be an absolute path"},
        {"    - sqlite: {path: /}", "9: name: \"\" "},
        {"    - sqlite: {path: /b, name: a/b}", "9: name: \"a/b\" "},
        {"    - sqlite: {path: /b, name: x.manifest.json}", "9: name: \"x.manifest.json\""},
        {"    - sqlite: {path: /b/app.db}", "9: a source of kind sqlite is called \"app.db\" "
                                            "already"},
        {"    - command: {name: a}", "9: a source of kind command needs the key \"argv\""},
        {"    - command: {argv: [a]}", "9: a source of kind command needs the key \"name\""},
        {"    - command: {name: a, argv: [a], timeout: 60}", "9: timeout: \"60\" is not a time"},
        {"    - command: {name: a, argv: [a], max_output: 0}", "9: max_output: it must be above 0"},
        {"    - command: {name: a, argv: [a], max_output: 1X}", "9: max_output: \"1X\" is not"},
        {"    - command: {name: a, argv: [a, [b]]}",
         "9: an item of argv must be a text, not a list"},
        {"    - command: {name: a, argv: [a], environment: [A=b]}", "9: environment takes names"},
        {"    - command: {name: a, argv: [a], environment: [1A]}", "9: environment takes names"});
}
END

TEST(a_file_tree_or_database_that_contradicts_itself_is_refused)
{
    CHECK_ROWS(
        SET, {"    - files: {exclude: [x]}", "9: a source of kind files needs the key \"paths\""},
        {"    - files: {paths: []}", "9: paths is empty"},
        {"    - files: {paths: [/a,\n /b/c, /b]}", "10: path /b/c lies in /b, which is there too"},
        {"    - files: {paths: [/a, /a/]}", "9: path /a lies in /a"},
        {"    - files: {paths: [a]}", "9: an item of paths must be an absolute path"},
        {"    - files: {paths: [/a, '']}", "9: an item of paths is empty"},
        {"    - files: {paths: [/a], exclude: ['[x']}", "9: exclude: "},
        {"    - files: {paths: [/a], exclude: '*.tmp'}", "9: exclude must be a list, not a text"},
        {"    - files: {paths: [/a], exclude_caches: yes}",
         "9: exclude_caches must be true or false, not yes"},
        {"    - files: {paths: [/a], name: postgres}",
         "9: a file tree cannot be called \"postgres\""},
        {"    - files: {paths: [/a], name: import}", "9: a file tree cannot be called \"import\""},
        {"    - files: {paths: [/a]}\n    - files: {paths: [/b]}",
         "10: a source of kind files is called \"files\" already"},
        {"    - postgres: {}", "9: a source of kind postgres needs the key \"dsn\""},
        {"    - postgres: {dsn: shop}", "9: dsn: it is no connection string"},
        {"    - postgres: {dsn: host=/run}",
         "9: the source needs a name, because its dsn has no dbname"},
        {"    - postgres:\n        dsn: dbname=a password=secret",
         "10: dsn: a secret (password) stands"},
        {"    - postgres: {dsn: 'postgresql://u:secret@h/a'}",
         "9: dsn: a secret (password) stands"},
        {"    - postgres: {dsn: dbname=a/b}", "9: name: \"a/b\" "},
        {"    - postgres: {dsn: dbname=a, jobs: 65}", "9: jobs is above 64"},
        {"    - postgres: {dsn: dbname=a, reuse_unchanged_tables: often}",
         "9: reuse_unchanged_tables: \"often\" is not a duration"},
        {"    - postgres: {dsn: dbname=a, globals: false, role_passwords: true}",
         "9: role_passwords needs globals"},
        {"    - postgres: {dsn: dbname=a, password_file: /p, passfile: /f}",
         "9: postgres names more than one file or command for its secret"});
}
END

TEST(no_sentence_repeats_a_password_that_stands_where_it_should_not)
{
    static const char *const texts[] = {
        "repositories: {a: {url: /r, password_file: hunter2}}\n",
        "repositories: {a: {url: /r, password_command: hunter2}}\n",
        "repositories: {a: {url: /r, password: hunter2}}\n",
        "repositories: {a: {url: 's3:https://u:hunter2@h/b', key_file: /k}}\n",
        SET "    - postgres: {dsn: dbname=a password=hunter2}\n",
        SET "    - postgres: {dsn: 'dbname=a hunter2'}\n",
        SET "    - postgres: {dsn: 'postgresql://u:hunter2@h:port/a'}\n",
        SET "    notify: {on_failure: ['https://u:hunter2@h/x']}\n",
        SET "    notify: {on_failure: ['ftp://u:hunter2@h/x']}\n",
        "repositories: {a: {url: /r, password_file: \"hunter2\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        AUTO(scratch) struct scratch s = {0};
        AUTO(config) struct config *c = NULL;
        struct err e = {0};

        CHECK(!config_load(put(&s, texts[i]), &c, &e));
        ck_assert_msg(strstr(e.text, "hunter2") == NULL, "%s", e.text);
    }
}
END

static void check_file_refused(const char *path, const char *wanted)
{
    AUTO(config) struct config *c = NULL;
    struct err e = {0};

    CHECK(!config_load(path, &c, &e));
    ck_assert_int_eq(e.code, ERR_USAGE);
    ck_assert_msg(strstr(e.text, wanted) != NULL && strstr(e.text, path) != NULL, "%s", e.text);
}

TEST(a_file_that_others_may_change_or_that_is_none_is_refused)
{
    AUTO(scratch) struct scratch s = {0};
    const char *path = put(&s, HEAD);
    AUTO(config) struct config *c = NULL;

    CHECK(chmod(path, 0644) == 0);
    CHECK_OK(config_load(path, &c, e));
    CHECK(chmod(path, 0664) == 0);
    check_file_refused(path, "it can be changed by others than its owner (mode 0664)");
    CHECK(chmod(path, 0602) == 0);
    check_file_refused(path, "it can be changed by others than its owner (mode 0602)");
    if (geteuid() == 0) {
        CHECK(chmod(path, 0600) == 0 && chown(path, 1234, 0) == 0);
        check_file_refused(path, "it belongs to user 1234");
    }
    check_file_refused("/tmp", "it is no regular file");
    CHECK(unlink(path) == 0);
    check_file_refused(path, "No such file");
    CHECK(mkfifo(path, 0600) == 0);
    check_file_refused(path, "it is no regular file");
}
END

TEST(long_lists_are_refused_and_many_of_the_longest_take_no_time)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf paths = {0};

    buf_printf(&text, HEAD "sets:\n");
    for (int i = 0; i < 2001; i++)
        buf_printf(&text, "  s%d: {repositories: [main], sources: [sqlite: {path: /a}]}\n", i);
    check_refused(buf_string(&text), "5: sets has more than 2000 items");
    buf_printf(&paths, SET);
    for (int list = 0; list < 40; list++) {
        buf_printf(&paths, "    - files: {name: f%d, paths: [/0", list);
        for (int i = 1; i < 2000; i++)
            buf_printf(&paths, ",/%d", i);
        buf_printf(&paths, "]}\n");
    }

    AUTO(config) struct config *c = load(buf_string(&paths));

    CHECK(c->sets[0].source_count == 41);
}
END

TEST(a_service_that_would_stand_open_is_refused)
{
    CHECK_ROWS(
        SET "serve: {tls: {self_signed: true}, compat: {cfms: ",
        {"{content_dir: /c, output_dir: /o, key_dir: /k}}}", "9: cfms takes database or dsn"},
        {"{database: /d, dsn: dbname=d, content_dir: /c, output_dir: /o, key_dir: /k}}}",
         "9: cfms takes database or dsn"},
        {"{dsn: 'host=h password=p', content_dir: /c, output_dir: /o, key_dir: /k}}}", "9: cfms: "},
        {"{database: /d, dsn_password_file: /p, content_dir: /c, output_dir: /o, key_dir: /k}}}",
         "9: dsn_password_file is for dsn"},
        {"{database: /d, output_dir: /o, key_dir: /k}}}", "9: cfms needs the key \"content_dir\""},
        {"{database: d, content_dir: /c, output_dir: /o, key_dir: /k}}}",
         "9: database must be an absolute path"},
        {"{listen: [5104], database: /d, content_dir: /c, output_dir: /o, key_dir: /k}}}",
         "9: listen takes addresses"});
    CHECK_ROWS(SET "serve: ",
               {"{compat: {cfms: {database: /d, content_dir: /c, output_dir: /o, key_dir: /k}}}",
                "9: cfms needs tls"});
    CHECK_ROWS(
        SET "serve: ", {"{listen: [8080]}", "9: listen takes addresses as 127.0.0.1:8080"},
        {"{listen: ['localhost:80']}", "9: listen takes addresses as "},
        {"{listen: ['127.0.0.1:65536']}", "9: listen takes addresses as "},
        {"{listen: ['[::1:80']}", "9: listen takes addresses as "},
        {"{listen: ['::1:80']}", "9: listen takes addresses as "},
        {"{listen: ['0.0.0.0:80']}", "9: 0.0.0.0:80 is reached by others, which needs tls"},
        {"{listen: ['[::]:80']}", "9: [::]:80 is reached by others, which needs tls"},
        {"{tls: {certificate: /c}}", "9: tls takes certificate and key, or self_signed"},
        {"{tls: {self_signed: true, certificate: /c, key: /k}}", "9: tls takes "},
        {"{tls: {self_signed: false}}", "9: tls takes "}, {"{jobs: 0}", "9: jobs is at least 1"},
        {"{job_limits: {time: 1500ms}}", "9: times of job_limits are whole seconds"},
        {"{job_limits: {time: 0s}}", "9: "}, {"{job_limits: {memory: 0}}", "9: "},
        {"{job_limits: {memory: 255M}}", "9: memory of job_limits is below 256M"},
        {"{job_limits: {disk: 1G}}", "9: "}, {"{templates: mails}", "9: "},
        {"{mail: {host: h}}", "9: mail needs the key \"from\""},
        {"{mail: {host: h, from: f, port: 70000}}", "9: port is above 65535"},
        {"{mail: {host: h, from: f, user: u, security: none}}", "9: without TLS "},
        {"{compat: {bundle: {set: nothing}}}", "9: bundle: "},
        {"{compat: {bundle: {set: shop, listen: ['0.0.0.0:1'], without_token: true}}}",
         "9: 0.0.0.0:1 is reached by others, which without_token does not allow"},
        {"{compat: {gateway: on}}", "9: gateway must be a mapping, not a text"},
        {"{compat: {gateway: {}}}", "9: gateway needs the key \"set\""},
        {"{compat: {gateway: {set: absent}}}", "9: gateway: "},
        {"{compat: {gateway: {set: shop, confirm: nobody}}}", "9: confirm"},
        {"{compat: {gateway: {set: shop, confirm: health_checks}}}",
         "9: set shop has no health_checks"},
        {"{compat: {pos: {key_file: /k, servers: {a b: {dsn: host=h dbname=d}}}}}", "9: "},
        {"{compat: {pos: {key_file: /k, servers: {a: {password_file: /p}}}}}",
         "9: a server needs the key \"dsn\""},
        {"{compat: {pos: {key_file: /k, servers: {a: {dsn: host=h password=x}}}}}", "9: dsn"},
        {"{compat: {pos: {key_file: /k, servers: {a: {dsn: 'postgresql://h'}}}}}",
         "9: dsn without a database must be"},
        {"{compat: {pos: {key_file: /k, servers: {a: {dsn: host=h, passfile: /a, "
         "password_file: /b}}}}}",
         "9: a names more than one"},
        {"{compat: {pos: {key_file: /k, source_roots: [srv]}}}",
         "9: an item of source_roots must be"},
        {"{compat: {elsewhere: on}}", "9: unknown key \"elsewhere\""});
}
END

TESTS("config refused", an_option_that_no_store_has_is_refused_with_its_line,
      a_file_that_is_no_mapping_of_known_keys_is_refused,
      a_repository_that_lacks_something_is_refused,
      a_set_with_a_key_that_is_wrong_or_missing_is_refused,
      a_rule_time_notice_or_check_of_a_set_that_makes_no_sense_is_refused,
      a_schedule_or_limit_that_makes_no_sense_is_refused_with_its_line,
      a_source_of_no_kind_or_of_two_is_refused,
      a_file_tree_or_database_that_contradicts_itself_is_refused,
      no_sentence_repeats_a_password_that_stands_where_it_should_not,
      a_file_that_others_may_change_or_that_is_none_is_refused,
      long_lists_are_refused_and_many_of_the_longest_take_no_time,
      a_service_that_would_stand_open_is_refused)
