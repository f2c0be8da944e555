# shellcheck shell=sh
# Read by cases about clients of CFMS: its application, and the service with a listener for them.
# shellcheck disable=SC2154 # lib.sh sets work
# shellcheck source=tests/e2e/lib.sh
. "$cases/lib.sh"

free_ports 2 >ports
read -r api port <ports
server() { "$PYTHON" "$cases/cfms_server.py" "$@"; }
# configure APP [LINE]: holdfast.yaml, with APP/app.db and APP/content; LINE goes with them.
configure() {
    cat >holdfast.yaml <<END
state: $work/state
repositories:
  main: {url: $HOLDFAST_REPOSITORY, key_file: $HOLDFAST_KEY_FILE}
sets:
  shop: {repositories: [main], sources: [{files: {paths: [$work/data]}}]}
serve:
  listen: ["127.0.0.1:$api"]
  tls: {self_signed: true}
  compat:
    cfms:
      listen: ["127.0.0.1:$port"]
      database: $work/$1/app.db
      content_dir: $work/$1/content
      output_dir: $work/$1/content/backups
      key_dir: $work/keys
      ${2-}
END
    chmod 600 holdfast.yaml
}
start() {
    start_service serve
    until_true 120 service_says 'clients of CFMS are served on wss://'
}
