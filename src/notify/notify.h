/*
 * What is told about runs: messages that go out, and figures.  The one header that other folders
 * include.
 *
 *     notice_messages()     something happened: one message for each channel
 *     message_encode()      into a row of an outbox ...
 *     message_decode()      ... and out of it
 *     message_send()        one try
 *     message_next_try()    when the next one is due
 */
#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include "notify/channel.h"
#include "notify/mail.h"
#include "notify/message.h"
#include "notify/notice.h"
#include "notify/outbound.h"
#include "notify/statistics.h"
#include "notify/syslog_sink.h"
#include "notify/template.h"
#include "notify/webhook.h"

#endif
