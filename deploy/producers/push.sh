#!/bin/sh
# Pushes one event, once, with redis-cli and what every system has; push_once.lua must be beside this script:
#
#   push.sh USER NAME [MEMBERS]           MEMBERS is JSON without a date, such as '"vars":{"cds":2}'
#   push.sh --shard SHARDS USER...        only prints the shard of each user
#   push.sh --marker LIST KEY EVENT...    only prints the marker of a push, and what it holds then
#
# REDIS_URL, QUEUE, SHARDS and IDEMPOTENCY_KEY come from the environment. A push that gets no reply is repeated for half
# a minute. With an IDEMPOTENCY_KEY it may also be run again for a day. Exit 1: not pushed, or perhaps pushed.
set -eu
LC_ALL=C
export LC_ALL
url=${REDIS_URL:-redis://127.0.0.1:6379/0} queue=${QUEUE:-events} shards=${SHARDS:-1}
key=${IDEMPOTENCY_KEY:-} remembered=86400000 # a day, in milliseconds

fail() { echo "push.sh: $*" >&2; exit 1; }
cli() { redis-cli -u "$url" --no-auth-warning "$@"; }

# The last eight bytes that gzip writes are the CRC-32 and the length, the least byte first (RFC 1952).
shard_of() {
    printf %s "$1" | gzip -c | tail -c 8 | od -An -tu1 -N4 | {
        read -r a b c d
        echo $(((a + b * 256 + c * 65536 + d * 16777216) % $2))
    }
}

quoted() {
    case $1 in *[[:cntrl:]]*) fail 'control characters are more than this script can write as JSON' ;; esac
    printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# Of all events of a push, as they are before a date is added. Of 64 bits it takes 16 at a time: more would overflow.
digest_of() {
    digest=0
    for bits in $(printf '%s\n' "$@" | sha256 | cut -c 1-16 | sed 's/..../ 0x&/g'); do
        digest=$(((digest * 65536 + bits) % 9223372034))
    done
    echo $((digest + 1))
}

if [ "${1:-}" = --marker ]; then
    printf '{%s}:pushed:%s ' "$2" "$3"
    shift 3
    printf '%d%09d\n' "$(digest_of "$@")" $#
    exit
fi

if [ "${1:-}" = --shard ]; then
    number=$2
    shift 2
    for user in "$@"; do shard_of "$user" "$number"; done
    exit
fi

[ $# -ge 2 ] && [ -n "$1" ] && [ -n "$2" ] || fail 'usage: push.sh USER NAME [MEMBERS]'
case $shards in '' | 0* | *[!0-9]*) fail 'SHARDS must be a number, at least 1' ;; esac
user=$(quoted "$1") name=$(quoted "$2")
element() { printf '{"user_id":%s,"name":%s,"date":%s%s}' "$user" "$name" "$1" "$members"; }
members=${3:+,$3}
element=$(element "\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"") digest=$(digest_of "$(element null)")

if [ -z "$key" ]; then # it need live no longer than this script
    key=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n') remembered=120000
fi

told=$(cli GET "{$queue}:shards") || fail 'Redis does not answer; nothing was pushed'
[ -z "$told" ] || [ "$told" = "$shards" ] || fail "SHARDS is $shards, but {$queue}:shards says: $told; nothing was pushed"

list=$queue
# The number of lists is part of the key: after a resharding a list has the same name, but other events.
[ "$shards" = 1 ] || list=$queue:$(shard_of "$1" "$shards") key=$shards:$key
script=$(cat "$(dirname "$0")/push_once.lua") began=$(date +%s) doubt='not pushed'
# redis-cli fails if there is no reply. An error is a reply; these two end soon.
until reply=$(cli EVAL "$script" 2 "$list" "{$list}:pushed:$key" RPUSH "$digest" 0 0 "$remembered" "$element") &&
    case $reply in *LOADING* | *READONLY*) false ;; esac; do
    doubt='it may have been pushed'
    [ $(($(date +%s) - began)) -lt 30 ] || fail "$doubt: ${reply:-no reply}"
    sleep 1
done
case $reply in
1*ok) ;;
*other) fail 'not pushed: the key was used for another event' ;;
*) fail "$doubt: $reply" ;;
esac
