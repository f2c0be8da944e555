#!/bin/sh
# Who is to hear of a backup gets a mail of it, from a worker with a mail server that wants TLS and a login; files replace the templates
# that are built in.
# shellcheck disable=SC2154 # lib.sh sets work
set -eu
mail_server=$(dirname "$(readlink -f "$0")")/../notify/smtp_server.py
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

smtp=''
at_end() { [ -z "$smtp" ] || kill "$smtp"; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout server.key -out ca.pem >out 2>err || fail "openssl"
cat ca.pem server.key >good.pem
"$PYTHON" "$mail_server" "$work" >ports 2>err &
smtp=$!
until_true 60 test -s ports
mail_port=$(head -c 5 ports | sed 's/^0*//') # the one with STARTTLS that wants user and password

make_repository
mkdir data templates
touch mails
echo one >data/file
echo 'correct horse' >password
chmod 600 password
printf '[{{set}}] {{title}}\n' >templates/mail-subject.txt
# configure TEMPLATES: the set's people, one of them twice.
configure() {
    put_config <<END
sets:
  shop:
    repositories: [main]
    sources: [{files: {paths: [$work/data]}}]
    schedule: "* * * * *"
    notify:
      on_success: ["mailto:ann@example.org"]
      on_failure: ["mailto:ops@example.org", "mailto:boss@example.org"]
serve:
  mail: {host: localhost, port: $mail_port, from: "Backups <backup@example.org>", user: backup@example.org, password_file: $work/password}
  outbound: {ca_file: $work/ca.pem}
  templates: $1
END
}

# What cannot be used is told at the start, and not on the night of a failure.
configure "$work/nowhere"
status 2 "$HOLDFAST" worker
has err "serve: templates: "
configure "$work/templates"
echo '{{nothing}}' >templates/mail.txt
status 2 "$HOLDFAST" worker
has err "$work/templates/mail.txt:1: "
rm templates/mail.txt

start_service worker
is_told() { grep -qF -e "\"to\": [\"$1\"], \"subject\": \"$2\"" mails; }
until_true 180 is_told ann@example.org '[shop] Backup Completed Successfully'
json mails 'lines[0]["from"] == "backup@example.org" and lines[0]["author"] == "Backups <backup@example.org>" and lines[0]["defects"] == 0'
json mails '"<p><strong>Backup:</strong> shop</p>" in lines[0]["parts"]["text/html"] and "shop" in lines[0]["parts"]["text/plain"]'
! grep -qE 'ops@|boss@' mails || fail 'who hears of failures was told of a success'

# A failure is told to each of those who are to hear of it, and to nobody else.
mv "$HOLDFAST_REPOSITORY" away
until_true 300 is_told ops@example.org '[shop] Backup Failed'
until_true 60 is_told boss@example.org '[shop] Backup Failed'
json mails 'all("<strong>Error:</strong>" in one["parts"]["text/html"] for one in lines if one["to"] != ["ann@example.org"])'
! grep -F 'Backup Failed' mails | grep -qF ann@ || fail 'who hears of successes was told of a failure'
stop_service
! grep -rqF -e 'correct horse' service.out service.err state || fail 'the password is somewhere'
