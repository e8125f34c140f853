#!/bin/sh
# Writes coturn's configuration from turnserver.conf and the environment, and becomes coturn. For the container; runs
# anywhere. Options after it go to turnserver.
#
#   TURN_SECRET       shared with liveclass (LIVECLASS_TURN_SECRET); required
#   TURN_PEERS        the liveclass servers' addresses as browsers are told them (LIVECLASS_PUBLIC_ADDRESS), separated by
#                     commas: the only ones that this relay reaches; required
#   TURN_CERTIFICATE  PEM file for turns:, or a pattern that fits one file; empty: no TLS
#   TURN_KEY          its private key
#   TURN_PORT, TURN_TLS_PORT       where it listens (3478, 443)
#   TURN_EXTERNAL_IP  behind NAT: PUBLIC/PRIVATE
#   TURN_CONF         the file that is written (/run/turn/turnserver.conf), for this user's eyes alone
#   TURN_LOOK_S       how often the certificate's files are looked at for a renewal (600)
#
# It ends with 1, saying why, rather than run with a secret that is missing, known to the world or too short, or with
# peers that would open more than the liveclass server. A certificate that is not there yet costs TLS alone: coturn
# starts without, and ends when it has come, to be started again with it.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
conf=${TURN_CONF:-/run/turn/turnserver.conf}
look_s=${TURN_LOOK_S:-600}

say() { printf 'turn: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

number() { # name value least
  case $2 in '' | *[!0-9]* | ??????*) die "$1: expected a port, got '$2'" ;; esac
  [ "$2" -ge "$3" ] && [ "$2" -le 65535 ] || die "$1: expected a port, got '$2'"
}

secret=${TURN_SECRET:-}
[ -n "$secret" ] || die "TURN_SECRET is empty. Make one: openssl rand -hex 32"
case $secret in
  *[!A-Za-z0-9+/=_.~-]*) die "TURN_SECRET: expected letters, digits and + / = _ . ~ - alone. Make one: openssl rand -hex 32" ;;
esac
[ "${#secret}" -ge 32 ] || die "TURN_SECRET is shorter than 32 characters. Make one: openssl rand -hex 32"
case $(printf %s "$secret" | tr '[:upper:]' '[:lower:]') in
  *secret* | *change* | *example* | *placeholder* | *password* | *xxxx* | *0000000000* | *1234567890*)
    die "TURN_SECRET is a placeholder. Make one: openssl rand -hex 32" ;;
esac

# No word is a pattern for files.
set -f
peers=
for peer in $(printf %s "${TURN_PEERS:-}" | tr ',' ' '); do
  case $peer in
    *[!0-9A-Fa-f.:]*) die "TURN_PEERS: expected IP addresses, got '$peer'" ;;
    0* | 127.* | 169.254.* | 22[4-9].* | 23[0-9].* | 24[0-9].* | 25[0-5].* | ::* | [Ff][Ee][89AaBb]?:* | [Ff][Ff]??:*)
      die "TURN_PEERS: $peer is no server's address: it would open this machine, a cloud's metadata or a whole network" ;;
    *.*.*.* | *:*:*) peers="$peers $peer" ;;
    *) die "TURN_PEERS: expected IP addresses, got '$peer'" ;;
  esac
done
set +f
[ -n "$peers" ] || die "TURN_PEERS is empty: name the liveclass server's public address"

port=${TURN_PORT:-3478} tls_port=${TURN_TLS_PORT:-443}
number TURN_PORT "$port" 1
number TURN_TLS_PORT "$tls_port" 1
external=${TURN_EXTERNAL_IP:-}
case $external in *[!0-9A-Fa-f.:/]*) die "TURN_EXTERNAL_IP: expected PUBLIC/PRIVATE, got '$external'" ;; esac
certificate_pattern=${TURN_CERTIFICATE:-} key_pattern=${TURN_KEY:-}
[ -z "$certificate_pattern" ] && [ -z "$key_pattern" ] || { [ -n "$certificate_pattern" ] && [ -n "$key_pattern" ]; } ||
  die "TURN_CERTIFICATE and TURN_KEY: expected both or neither"

only_file() { # pattern ; the file that fits, if it can be read
  for file in $1; do
    if [ -r "$file" ]; then
      printf '%s\n' "$file"
      return
    fi
  done
}

certificate=$(only_file "$certificate_pattern") key=$(only_file "$key_pattern")
tls=
if [ -n "$certificate" ] && [ -n "$key" ]; then
  tls=1
elif [ -n "$certificate_pattern" ]; then
  say "no certificate at $certificate_pattern yet: starting without TLS"
fi

mkdir -p -- "$(dirname -- "$conf")"
umask 077
# awk replaces literally, so that no character of a value means anything; a line for each peer.
TURN_SECRET=$secret PEERS=$peers CERTIFICATE=$certificate KEY=$key PORT=$port TLS_PORT=$tls_port EXTERNAL=$external TLS=$tls \
  awk '
  function put(text, mark, value,    at) {
    while ((at = index(text, mark)) > 0) text = substr(text, 1, at - 1) value substr(text, at + length(mark))
    return text
  }
  /^#/ || /^$/ { next }
  /^(cert|pkey|tls-listening-port)=/ && ENVIRON["TLS"] == "" { next }
  /^listening-port=/ { print "listening-port=" ENVIRON["PORT"]; next }
  /^tls-listening-port=/ { print "tls-listening-port=" ENVIRON["TLS_PORT"]; next }
  /@SERVER@/ {
    n = split(ENVIRON["PEERS"], each, " ")
    for (i = 1; i <= n; i++) print put($0, "@SERVER@", each[i])
    next
  }
  {
    line = put($0, "@CERTIFICATE@", ENVIRON["CERTIFICATE"])
    line = put(line, "@KEY@", ENVIRON["KEY"])
    print put(line, "@SECRET@", ENVIRON["TURN_SECRET"])
  }
  END {
    if (ENVIRON["TLS"] == "") { print "no-tls"; print "no-dtls" }
    if (ENVIRON["EXTERNAL"] != "") print "external-ip=" ENVIRON["EXTERNAL"]
  }' "$here/turnserver.conf" >"$conf.new"
if grep -n '@[A-Z]*@' "$conf.new" >&2; then
  die "turnserver.conf has placeholders that this script does not know (above)"
fi
mv -f -- "$conf.new" "$conf"

watch() { # process ; tells it of a renewed certificate, and ends it when the first one has come
  seen=$(cksum <"${certificate:-/dev/null}")
  while sleep "$look_s" && kill -0 "$1" 2>/dev/null; do
    file=$(only_file "$certificate_pattern")
    [ -n "$file" ] && [ -n "$(only_file "$key_pattern")" ] || continue
    now=$(cksum <"$file")
    [ "$now" = "$seen" ] && continue
    seen=$now
    if [ -n "$tls" ]; then
      say "the certificate was renewed"
      kill -USR2 "$1"
    else
      say "the certificate has come: ending, to be started again with TLS"
      kill -TERM "$1"
    fi
  done
}
[ -z "$certificate_pattern" ] || watch $$ &

unset TURN_SECRET
exec turnserver -c "$conf" --userdb="$(dirname -- "$conf")/users" --pidfile="$(dirname -- "$conf")/pid" "$@"
