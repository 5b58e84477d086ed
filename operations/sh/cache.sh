# cache KIND PATH LIMIT AGE: a part of no other script: a timer runs it, as the cache's owner. What was not used for AGE seconds
# goes from the cache at PATH, and then what was used longest ago, until LIMIT is left, in KiB or as a percentage of its
# file system; 0 for no such bound. What may be in use just now stays.
set -eu
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
kind=$1 path=$2 limit=$3 age=$4
now=$(date +%s)

if [ "$kind" = buildkit ]; then
    systemctl is-active --quiet docker.service || exit 0
    # The flag's name is buildx's, not the engine's: it has changed late in 2024 (docker/buildx#2724), and a client without
    # buildx has the old one to this day. Alone each of them says how much is left (calculateKeepBytes in BuildKit).
    keep=--keep-storage
    ! docker builder prune --help 2>&1 | grep -q -e --reserved-space || keep=--reserved-space
    export BUILDX_BUILDER=default
    [ "$age" = 0 ] || said=$(docker builder prune --force --all --filter "until=${age}s")
    [ "$limit" = 0 ] || said=$(docker builder prune --force --all "$keep" "${limit}k")
    echo "$said" | tail -n 1
    exit 0
fi

cd "$path"
case $limit in
*%) limit=$(($(stat -f -c '%b * %S' .) / 1024 * ${limit%\%} / 100)) ;;
esac
# What a build has used in the last two hours it may use again. Of GOCACHE go says so by the time of modification, once an
# hour; of other files the time of access does, which relatime renews once a day. EL7's findmnt knows no ".".
busy=7200
if [ "$kind" != go-build ] && findmnt -n -o OPTIONS -T "$path" | grep -q -w -e relatime -e noatime; then
    busy=$((26 * 3600))
fi

# Entries of GOCACHE, as cmd/go/internal/cache names them; what else is there, trim.txt and fuzz above all, is not ours.
entries() {
    find . -ignore_readdir_race -xdev -mindepth 2 -maxdepth 2 -path './[0-9a-f][0-9a-f]/*-[ad]' ! -name '*[!0-9a-f]*-[ad]' "$@"
}

# The directory that the version of a module whose files are STEM.* is unpacked to.
unpacked() {
    version=${1#cache/download/}
    echo "${version%/@v/*}@${version##*/@v/}"
}

# A line "TIME KIB [STEM]" for all that can go, without names that could break it: by when it was used last.
used() {
    case $kind in
    go-build)
        entries -type f -printf '%T@ %k\n' || :
        entries -type d -printf '%T@ %p\n' | while read -r time place; do
            size=$(du -sk "$place" 2>/dev/null | cut -f 1)
            echo "$time ${size:-0}"
        done
        ;;
    go-modules)
        [ ! -d cache/download ] || find cache/download -ignore_readdir_race -xdev -type f -path '*/@v/*.ziphash' \
            ! -path '*[!A-Za-z0-9/._~!+@-]*' -printf '%A@ %T@ %p\n' |
            while read -r accessed modified file; do
                stem=${file%.ziphash}
                size=$(du -skc "$stem.zip" "$(unpacked "$stem")" 2>/dev/null | tail -n 1 | cut -f 1)
                echo "$accessed $modified $size $stem"
            done | latest
        ;;
    plain)
        find . -ignore_readdir_race -xdev -mindepth 1 \( -type f -o -type l \) -printf '%A@ %T@ %k\n' | latest
        ;;
    esac
}
latest() { awk '{ $1 = sprintf("%.6f", $1 > $2 ? $1 : $2); $2 = ""; print }' | tr -s ' '; }

# The time up to which everything goes, in whole seconds.
cutoff() {
    sort -rn | awk -v limit="$limit" -v gone=$((age > 0 ? now - age : 0)) -v busy=$((now - busy)) '
        { total += $2 }
        limit > 0 && total > limit && !over { over = 1; time = int($1); if (time < $1) time++; if (time > gone) gone = time }
        END { printf "%d\n", gone < busy ? gone : busy }'
}

# A version goes as a whole: without its zip it is still as go leaves it, and as long as its ziphash is there the next look
# finds what is left of it; what is half removed has a name that go itself clears away. go takes the same lock. What it
# knows of a version without having it, .info and .mod, stays.
drop() {
    directory=$(unpacked "$1")
    (
        flock -n 8 || exit 0
        rm -f "$1.zip" || exit 1
        [ ! -d "$directory" ] || mv -T "$directory" "$directory.tmp-elforge" || exit 1
        rm -f "$1.ziphash" || exit 1
        sweep "$directory.tmp-elforge"
    ) 8>>"$1.lock"
}
sweep() {
    [ ! -d "$1" ] || chmod -R u+w "$1" || return 1
    rm -rf "$1"
}
drop_all() {
    left=0
    while read -r stem; do drop "$stem" || left=1; done
    return $left
}

before=$(used | awk '{ total += $2 } END { printf "%d", total }')
until=$(used | cutoff)
# One file that cannot be removed keeps no other one.
failed=0
case $kind in
go-build) entries ! -newermt "@$until" -exec rm -rf {} + || failed=1 ;;
go-modules)
    # What a killed run has left.
    find . -ignore_readdir_race -xdev -type d -name '*@*' -prune -name '*.tmp-elforge' \
        -exec chmod -R u+w {} \; -exec rm -rf {} \; || failed=1
    used | awk -v gone="$until" '$1 <= gone { print $3 }' | drop_all || failed=1
    ;;
plain)
    find . -ignore_readdir_race -xdev -mindepth 1 \( -type f -o -type l \) \
        ! -newermt "@$until" ! -newerat "@$until" -delete || failed=1
    find . -ignore_readdir_race -xdev -mindepth 1 -depth -type d -empty ! -newermt "@$until" -delete || failed=1
    ;;
esac
after=$(used | awk '{ total += $2 } END { printf "%d", total }')
echo "$path: $before KiB before, $after KiB now"
[ "$limit" -eq 0 ] || [ "$after" -le "$limit" ] ||
    echo "<4>$path: $after KiB are more than $limit: all of it may be in use"
exit $failed
