#include "cli/service_parts.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hangup.h"
#include "base/mem.h"
#include "base/password.h"
#include "base/supervisor.h"
#include "base/text.h"
#include "base/thread.h"
#include "cli/config_path.h"

enum {
    STEP_MS = 1000,    /* between looks for somebody who asks to stop */
    LOOK_MS = 1000,    /* between looks for configurations that have changed */
    RETRY_MS = 5000,   /* after the catalog failed */
    OUTBOX_MS = 10000, /* between looks at an empty outbox */
    CLEAN_S = 3600,    /* between two cleanings of the catalog */
    QUIET_S = 60,      /* the same failure is told again only after so long */
};

struct service_parts {
    struct call *call;
    struct config *config;
    struct catalog *catalog;
    struct syslog_sink *syslog; /* or NULL */
    struct template_set *templates;
    struct mail_settings mail;
    char *webhook_secret; /* secret memory, or NULL */
    char **allowed;       /* the configuration's, and its mail server behind them */
    struct message_settings messages;
    struct roster *roster;
    struct timetable *timetable;
    struct dispatch *dispatch;
    struct news *news; /* or NULL: nobody wants any, or there are none */
    dispatch_told_fn *told;
    void *told_arg;
    void (*hung_up)(void *arg);
    void *hung_up_arg;
    char host[256];
    struct supervisor supervisor;    /* of the main thread */
    _Atomic int64_t schedules_at_ns; /* last sign of life of the thread "schedules" */

    pthread_mutex_t lock; /* guards what follows */
    char last_failure[sizeof(((struct err *)NULL)->text)];
    int64_t last_failure_ns;
};

void service_close(struct service_parts *p)
{
    if (p == NULL)
        return;
    dispatch_close(p->dispatch);
    news_free(p->news);
    timetable_close(p->timetable);
    roster_close(p->roster);
    mail_settings_auto(&p->mail);
    mem_secret_free(p->webhook_secret);
    mem_free(p->allowed);
    template_set_free(p->templates);
    catalog_close(p->catalog);
    syslog_sink_free(p->syslog);
    config_free(p->config);
    supervisor_auto(&p->supervisor);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

void service_auto(struct service_parts **p)
{
    service_close(*p);
}

const struct config *service_config(const struct service_parts *p)
{
    return p->config;
}

struct catalog *service_catalog(struct service_parts *p)
{
    return p->catalog;
}

struct roster *service_roster(struct service_parts *p)
{
    return p->roster;
}

const struct template_set *service_templates(const struct service_parts *p)
{
    return p->templates;
}

const char *service_host(const struct service_parts *p)
{
    return p->host;
}

void service_listen(struct service_parts *p, dispatch_told_fn *told, void *arg)
{
    p->told = told;
    p->told_arg = arg;
}

void service_on_hangup(struct service_parts *p, void (*fn)(void *arg), void *arg)
{
    p->hung_up = fn;
    p->hung_up_arg = arg;
    hangup_install();
}

/* Opening */

static bool open_catalog(struct service_parts *p, struct err *e)
{
    AUTO(mem_secret) char *password = NULL;
    struct catalog_options o = {.state = p->config->state, .address = p->config->catalog};

    if (!dir_make_all(p->config->state, 0700, e))
        return err_wrap(e, "state folder");
    if (p->config->serve.catalog_password_file != NULL &&
        !password_from_file(p->config->serve.catalog_password_file, &password, e))
        return false;
    o.password = password;
    return catalog_open(&o, &p->catalog, e);
}

static bool set_mail(struct service_parts *p, const char *name, const char *value, struct err *e)
{
    return value == NULL || mail_settings_set(&p->mail, name, value, e);
}

static bool open_mail(struct service_parts *p, struct err *e)
{
    static const char *const secure[] = {"false", "true", "none"};
    const struct config_mail *m = &p->config->serve.mail;
    char port[16];

    if (!p->config->serve.has_mail)
        return true;
    (void)snprintf(port, sizeof(port), "%d", m->port); /* has room */
    return set_mail(p, "SMTP_HOST", m->host, e) &&
           set_mail(p, "SMTP_PORT", m->port == 0 ? NULL : port, e) &&
           set_mail(p, "SMTP_SECURE", secure[m->security], e) &&
           set_mail(p, "SMTP_USER", m->user, e) &&
           set_mail(p, "SMTP_PASSWORD_FILE", m->password_file, e) &&
           set_mail(p, "SMTP_FROM", m->from, e) && mail_settings_finish(&p->mail, e);
}

/* A folder that is not there would pass for one without files. */
static bool open_templates(struct service_parts *p, struct err *e)
{
    const char *folder = p->config->serve.templates;
    AUTO(fd) int fd = -1;

    if (folder != NULL && !dir_open(folder, &fd, e)) {
        e->code = ERR_USAGE;
        return false;
    }
    return template_set_load(folder, &p->templates, e);
}

/* Where messages may go.  The mail server was named by the owner of the machine, like the list. */
static bool open_messages(struct service_parts *p, struct err *e)
{
    const struct config_serve *s = &p->config->serve;
    const size_t count = s->outbound.allowed.count;
    AUTO(buf) struct buf server = {0};

    if (!open_templates(p, e))
        return err_wrap(e, "serve: templates");
    if (!open_mail(p, e))
        return err_wrap(e, "serve: mail");
    if (s->webhook_secret_file != NULL &&
        !password_from_file(s->webhook_secret_file, &p->webhook_secret, e))
        return false;
    p->allowed = mem_array(count + 1, sizeof(*p->allowed));
    for (size_t i = 0; i < count; i++) {
        if (!outbound_allowed_check(s->outbound.allowed.items[i], e))
            return err_wrap(e, "serve: outbound: allowed");
        p->allowed[i] = s->outbound.allowed.items[i];
    }
    p->messages = (struct message_settings){.outbound = {.allowed = (const char *const *)p->allowed,
                                                         .allowed_count = count,
                                                         .ca_file = s->outbound.ca_file},
                                            .mail = s->has_mail ? &p->mail : NULL,
                                            .webhook_secret = p->webhook_secret};
    if (s->has_mail) {
        buf_printf(&server, strchr(p->mail.host, ':') != NULL ? "[%s]:%u" : "%s:%u", p->mail.host,
                   p->mail.port);
        p->allowed[p->messages.outbound.allowed_count++] =
            arena_string(&p->call->arena, buf_slice(&server));
    }
    return true;
}

/* Telling */

/* A catalog that is away fails every second: one line a minute is enough. */
static void on_failure(void *arg, const struct err *e)
{
    struct service_parts *p = arg;
    const int64_t now = clock_monotonic_ns();
    bool is_known;

    if (e->code == ERR_CANCELLED)
        return;
    pthread_mutex_lock(&p->lock);
    is_known = strcmp(p->last_failure, e->text) == 0 &&
               now - p->last_failure_ns < (int64_t)QUIET_S * 1000000000;
    if (!is_known) {
        memcpy(p->last_failure, e->text, sizeof(p->last_failure));
        p->last_failure_ns = now;
    }
    pthread_mutex_unlock(&p->lock);
    if (!is_known)
        output_item_error(p->call->out, "service", NULL, e->text);
}

static void on_told(void *arg, const char *topic, const char *event, const json_t *data)
{
    const struct service_parts *p = arg;
    const char *state = json_string_value(json_object_get(data, "state"));

    const char *error = json_string_value(json_object_get(data, "error"));
    struct err ignored;

    if (state != NULL)
        output_note(p->call->out, "%s of %s: %s%s%s",
                    json_string_value(json_object_get(data, "kind")),
                    json_string_value(json_object_get(data, "set")), state,
                    error != NULL ? ": " : "", error != NULL ? error : "");
    (void)!output_flush(p->call->out, &ignored); /* told again at the end */
    if (p->news != NULL)
        news_leave(p->news, topic);
    if (p->told != NULL)
        p->told(p->told_arg, topic, event, data);
}

/* With the sets that there are now. */
static bool open_timetable(struct service_parts *p, struct err *e)
{
    const struct timetable_options o = {p->catalog, p->config, p->templates, p->host, p->roster};
    struct timetable *t = NULL;

    if (!timetable_open(&o, &t, e))
        return false;
    timetable_close(p->timetable);
    p->timetable = t;
    return true;
}

static void on_syslog(void *arg, const char *sentence)
{
    const struct service_parts *p = arg;

    output_item_error(p->call->out, "service", NULL, sentence);
}

/* Records of the audit log go to a witness too, where the configuration names one. */
static bool open_syslog(struct service_parts *p, struct err *e)
{
    const struct syslog_options o = {
        .address = p->config->serve.audit_syslog, .host = p->host, .told = on_syslog, .arg = p};

    if (o.address == NULL)
        return true;
    if (!syslog_sink_new(&o, &p->syslog, e))
        return false;
    catalog_audit_set_sink(p->catalog, syslog_sink_put, p->syslog);
    return true;
}

bool service_open(struct call *call, const char *option, struct service_parts **out, struct err *e)
{
    AUTO(service) struct service_parts *p = mem_new(sizeof(*p));
    AUTO(mem) char *absolute = NULL;
    const char *path;

    p->call = call;
    p->supervisor = SUPERVISOR_NONE;
    pthread_mutex_init(&p->lock, NULL);
    (void)gethostname(p->host, sizeof(p->host) - 1); /* cut, or "" */
    call->stage = STAGE_SECRET;
    if (!supervisor_open(&p->supervisor, e) || !config_path(option, &path, e))
        return false;
    /* Jobs are started elsewhere and later. */
    absolute = realpath(path, NULL);
    if (!config_load(absolute != NULL ? absolute : path, &p->config, e))
        return false;
    call->stage = STAGE_WORK;
    if (!open_messages(p, e) || !open_catalog(p, e) || !open_syslog(p, e))
        return false;

    if (!roster_open(p->catalog, p->config, &p->roster, e))
        return false;

    const struct dispatch_options d = {.catalog = p->catalog,
                                       .config = p->config,
                                       .roster = p->roster,
                                       .templates = p->templates,
                                       .host = p->host,
                                       .told = on_told,
                                       .failed = on_failure,
                                       .arg = p};

    if (!open_timetable(p, e) || !dispatch_open(&d, &p->dispatch, e))
        return false;
    *out = TAKE(p);
    return true;
}

/* Running */

/* Sleep, and wake up when somebody asks to stop; at_ns is kept at the present time. */
static void pause_for(int64_t ms, _Atomic int64_t *at_ns)
{
    int64_t now = clock_monotonic_ns();
    const int64_t end = now + ms * 1000000;

    while (!cancel_is_requested() && now < end) {
        atomic_store(at_ns, now);
        (void)poll(NULL, 0, ms < 200 ? (int)ms : 200);
        now = clock_monotonic_ns();
    }
    atomic_store(at_ns, now);
}

/* Now and then the catalog loses what is over. */
static void clean(struct service_parts *p, int64_t now_s, int64_t *cleaned_s)
{
    struct err e = {0};

    if (now_s - *cleaned_s < CLEAN_S && now_s >= *cleaned_s)
        return;
    if (!catalog_clean(p->catalog, dispatch_listener(p->dispatch), &e))
        on_failure(p, &e);
    *cleaned_s = now_s;
}

/* Until a time, or until the configurations have changed.  A clock that is set ends it too. */
static void pause_until(struct service_parts *p, int64_t wake_s)
{
    const int64_t begin_s = clock_now_ns() / NS_PER_S;
    bool has_changed = false;
    struct err e = {0};

    for (int64_t now_s = begin_s;
         now_s < wake_s && now_s >= begin_s && !has_changed && !cancel_is_requested();
         now_s = clock_now_ns() / NS_PER_S) {
        pause_for(LOOK_MS, &p->schedules_at_ns);
        if (!roster_look(p->roster, &has_changed, &e) || (has_changed && !open_timetable(p, &e)))
            on_failure(p, &e);
    }
}

static void *schedules_main(void *arg)
{
    struct service_parts *p = arg;
    int64_t cleaned_s = 0;

    while (!cancel_is_requested()) {
        const int64_t now_s = clock_now_ns() / NS_PER_S;
        int64_t wake_s = now_s;
        struct err e = {0};

        clean(p, now_s, &cleaned_s);
        if (!timetable_look(p->timetable, now_s, &wake_s, &e)) {
            on_failure(p, &e);
            pause_for(RETRY_MS, &p->schedules_at_ns);
            continue;
        }
        pause_until(p, wake_s);
    }
    return NULL;
}

static void *messages_main(void *arg)
{
    struct service_parts *p = arg;
    _Atomic int64_t at_ns = 0; /* a mail server may take minutes: nobody waits for this thread */

    while (!cancel_is_requested()) {
        struct err e = {0};
        size_t sent = 0;
        int wait_ms = 0;

        if (!sender_step(p->catalog, &p->messages, &sent, &e) ||
            !sender_due(p->catalog, OUTBOX_MS, &wait_ms, &e)) {
            on_failure(p, &e);
            wait_ms = RETRY_MS;
        }
        pause_for(wait_ms < STEP_MS ? STEP_MS : wait_ms, &at_ns);
    }
    return NULL;
}

/* What other hosts do, for those who listen here. */
static void *news_main(void *arg)
{
    struct service_parts *p = arg;
    _Atomic int64_t at_ns = 0;

    while (!cancel_is_requested()) {
        struct err e = {0};

        if (news_look(p->news, &e) && news_wait(p->news, &e))
            continue;
        on_failure(p, &e);
        pause_for(RETRY_MS, &at_ns);
    }
    return NULL;
}

/* What the supervisor shows: jobs, and the failure that was told last if it was lately. */
static void status_text(struct service_parts *p, struct buf *out)
{
    const size_t count = dispatch_count(p->dispatch);

    buf_printf(out, "%zu job%s under way", count, count == 1 ? "" : "s");
    pthread_mutex_lock(&p->lock);
    if (p->last_failure[0] != '\0' &&
        clock_monotonic_ns() - p->last_failure_ns < (int64_t)QUIET_S * 1000000000)
        buf_printf(out, "; %s", p->last_failure);
    pthread_mutex_unlock(&p->lock);
}

/* One round of the main thread: a sign of life is given for it and for the thread "schedules". */
static bool supervise(struct service_parts *p, struct err *e)
{
    AUTO(buf) struct buf status = {0};
    const int64_t silent_ns = clock_monotonic_ns() - atomic_load(&p->schedules_at_ns);

    status_text(p, &status);
    return supervisor_status(&p->supervisor, buf_string(&status), e) &&
           (silent_ns >= p->supervisor.watchdog_ns || supervisor_beat(&p->supervisor, e));
}

void service_run(struct service_parts *p)
{
    const int64_t beat_ms = p->supervisor.watchdog_ns / 1000000 / 4;
    const int step_ms = beat_ms == 0 || beat_ms > STEP_MS ? STEP_MS : (int)beat_ms;
    const bool has_news = p->told != NULL && catalog_is_shared(p->catalog);
    pthread_t schedules, messages, news;
    struct err e = {0};

    atomic_store(&p->schedules_at_ns, clock_monotonic_ns());
    thread_start(&schedules, schedules_main, p, "schedules");
    thread_start(&messages, messages_main, p, "messages");
    if (has_news) {
        p->news = news_new(p->catalog, p->told, p->told_arg);
        thread_start(&news, news_main, p, "news");
    }
    if (!supervisor_ready(&p->supervisor, &e))
        on_failure(p, &e);
    while (!cancel_is_requested()) {
        if (!supervise(p, &e))
            on_failure(p, &e);
        if (hangup_take())
            p->hung_up(p->hung_up_arg); /* set before the handler is */
        dispatch_step(p->dispatch, step_ms);
    }
    if (!supervisor_stopping(&p->supervisor, &e))
        on_failure(p, &e);
    thread_join(schedules);
    thread_join(messages);
    if (has_news)
        thread_join(news);
}
