#!/bin/sh
# Run by hand as root in a machine to throw away, with systemd, postgresql, python3, procps, curl and the package:
# the service works under its unit.
set -eu
fail() {
    echo "FAILED: $*" >&2
    journalctl --no-pager -o cat -u holdfast -n 40 >&2 || :
    exit 1
}
# until_true SECONDS COMMAND...
until_true() {
    left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "never: $*"
        sleep 1
    done
}
as_service() { setpriv --reuid=holdfast --regid=holdfast --init-groups -- "$@"; }

until_true 120 systemctl is-active --quiet multi-user.target
[ "$(systemctl is-enabled holdfast)" = enabled ] || fail "the service is not enabled"
[ "$(systemctl is-enabled holdfast-worker)" = disabled ] || fail "the worker is enabled"
! systemctl is-active --quiet holdfast || fail "the service runs without a configuration"

# An application: a file that only root reads, one with a setuid bit, databases.
mkdir -p /srv/app /srv/holdfast /var/lib/shop
echo secret >/srv/app/private
chmod 600 /srv/app/private
echo tool >/srv/app/tool
chmod 4755 /srv/app/tool
python3 - <<'PY'
import sqlite3
c = sqlite3.connect("/var/lib/shop/app.db")
c.execute("pragma journal_mode=wal")
c.execute("create table t (x)")
c.executemany("insert into t values (?)", [(i,) for i in range(500)])
c.commit()
PY
chown -R holdfast:holdfast /var/lib/shop /srv/holdfast
until_true 120 setpriv --reuid=postgres --regid=postgres --clear-groups psql -qAt -d postgres -c 'select 1'
setpriv --reuid=postgres --regid=postgres --clear-groups psql -qAt -v ON_ERROR_STOP=1 -d postgres <<'SQL'
create role holdfast login;
create database shop owner holdfast;
\c shop
set role holdfast;
create table sale (id serial primary key, what text);
insert into sale (what) select 'item ' || i from generate_series(1, 2000) i;
SQL
cat >/etc/holdfast/holdfast.yaml <<'YAML'
state: /var/lib/holdfast
repositories:
  main: {url: /srv/holdfast/repo, key_file: /etc/holdfast/main.key}
sets:
  shop:
    sources:
      - files: {paths: [/srv/app]}
      - sqlite: {path: /var/lib/shop/app.db}
      - postgres: {dsn: host=/run/postgresql dbname=shop, globals: false}
      - command: {name: mounts, argv: [cat, /proc/mounts], check: [grep, -q, .]}
    repositories: [main]
    schedule: "* * * * *"
    drill: after_backup
serve: {listen: ["127.0.0.1:8080"]}
YAML
holdfast init -q -r /srv/holdfast/repo --key-file /etc/holdfast/main.key
chown -R holdfast:holdfast /srv/holdfast
chown root:holdfast /etc/holdfast/*
chmod 640 /etc/holdfast/*

# What the unit leaves to the operator: where to write, and the right to read everything.
mkdir -p /etc/systemd/system/holdfast.service.d
cat >/etc/systemd/system/holdfast.service.d/shop.conf <<'UNIT'
[Service]
ReadWritePaths=/srv/holdfast /var/lib/shop
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
AmbientCapabilities=CAP_DAC_READ_SEARCH
UNIT
systemctl daemon-reload
systemctl start holdfast || fail "the service does not start"
curl -fsS -o /dev/null http://127.0.0.1:8080/readyz || fail "active, but it does not answer"
systemctl status --no-pager holdfast | grep -q 'Status: ".* under way' || fail "systemd shows no status"
told() { journalctl --no-pager -o cat -u holdfast | grep -q "^backup of shop: $1"; }
until_true 240 told ''
told success || fail "the backup failed under the unit"
as_service holdfast -c /etc/holdfast/holdfast.yaml drill --list shop --json >/tmp/drills
python3 - <<'PY' || fail "drill: $(cat /tmp/drills)"
import json
(drill, *_) = [json.loads(line) for line in open("/tmp/drills")]
verdicts = {m["place"]: m["verdict"] for m in drill["members"]}
assert drill["verdict"] == "proven", drill
assert len(verdicts) == 4 and set(verdicts.values()) == {"proven"}, verdicts
PY
as_service holdfast -r /srv/holdfast/repo --key-file /etc/holdfast/main.key dump latest files/srv/app/private >/tmp/private ||
    as_service holdfast -r /srv/holdfast/repo --key-file /etc/holdfast/main.key ls latest >&2
grep -qx secret /tmp/private || fail "the file that only root reads is not stored"

# The unit holds for the service: no other folder, no privilege, no namespace.
pid=$(systemctl show -p MainPID --value holdfast)
grep -qx "NoNewPrivs:.1" "/proc/$pid/status" || fail "it may get new privileges"
grep -qx "Seccomp:.2" "/proc/$pid/status" || fail "no filter of system calls"
! nsenter -t "$pid" -m -- setpriv --reuid=holdfast --regid=holdfast --clear-groups touch /srv/app/new 2>/dev/null ||
    fail "it may write into a source"
nsenter -t "$pid" -m -- setpriv --reuid=holdfast --regid=holdfast --clear-groups touch /srv/holdfast/new ||
    fail "it may not write where its unit says"

# A job goes on over a restart, and the next service takes it over.
sed -i 's|argv: \[cat, /proc/mounts\]|argv: [sh, -c, "sleep 60; echo done"]|' /etc/holdfast/holdfast.yaml
systemctl restart holdfast
until_true 150 pgrep -x sleep -u holdfast
pid=$(systemctl show -p MainPID --value holdfast)
since=$(date '+%Y-%m-%d %H:%M:%S')
systemctl restart holdfast
[ "$(systemctl show -p MainPID --value holdfast)" != "$pid" ] || fail "it was not restarted"
pgrep -x sleep -u holdfast >/dev/null || fail "the job ended with the service"
ended() { journalctl --no-pager -o cat -u holdfast --since "$since" | grep -q '^backup of shop: '; }
until_true 300 ended
journalctl --no-pager -o cat -u holdfast --since "$since" | grep -q '^backup of shop: success' || fail "the job was not taken over"

systemctl stop holdfast
[ "$(systemctl show -p Result --value holdfast)" = success ] || fail "it ended badly: $(systemctl show -p Result,ExecMainStatus holdfast)"

# A configuration that is wrong is told once, not again and again.
echo nonsense >>/etc/holdfast/holdfast.yaml
! systemctl start holdfast 2>/dev/null || fail "a wrong configuration was taken"
[ "$(systemctl show -p NRestarts --value holdfast)" = 0 ] || fail "it was started again"
echo "all is well"
