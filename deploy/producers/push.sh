#!/bin/sh
# Pushes one event, with redis-cli and what every system has:
#
#   push.sh USER NAME [MEMBERS]           MEMBERS is JSON, such as '"vars":{"cds":2}'
#   push.sh --shard SHARDS USER...        only prints the shard of each user
#
# REDIS_URL, QUEUE and SHARDS come from the environment. Exit 1: the event may have been pushed, or was not.
# It is not sent again: that might double it.
set -eu
LC_ALL=C
export LC_ALL
url=${REDIS_URL:-redis://127.0.0.1:6379/0} queue=${QUEUE:-events} shards=${SHARDS:-1}

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

if [ "${1:-}" = --shard ]; then
    number=$2
    shift 2
    for user in "$@"; do shard_of "$user" "$number"; done
    exit
fi

[ $# -ge 2 ] && [ -n "$1" ] && [ -n "$2" ] || fail 'usage: push.sh USER NAME [MEMBERS]'
case $shards in '' | 0* | *[!0-9]*) fail 'SHARDS must be a number, at least 1' ;; esac
user=$(quoted "$1") name=$(quoted "$2")
element="{\"user_id\":$user,\"name\":$name,\"date\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"${3:+,$3}}"

told=$(cli GET "{$queue}:shards") || fail 'Redis does not answer; nothing was pushed'
[ -z "$told" ] || [ "$told" = "$shards" ] || fail "SHARDS is $shards, but {$queue}:shards says: $told; nothing was pushed"

list=$queue
[ "$shards" = 1 ] || list=$queue:$(shard_of "$1" "$shards")
reply=$(cli RPUSH "$list" "$element") || fail 'no reply: it may have been pushed'
case $reply in '' | *[!0-9]*) fail "not pushed: $reply" ;; esac
