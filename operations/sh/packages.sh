# packages MANAGER WAIT SPACE REPOSITORIES LOCKS VERB SPEC... [VERB SPEC...]
# VERB is install, downgrade or remove; each VERB is one transaction. REPOSITORIES are glob patterns of
# repository ids ("" for all enabled ones). WAIT is the seconds to wait for another package manager.
# SPACE is the free megabytes that /usr and /var need.
# LOCKS is the versionlock plugin's file when locks are in the way; stdin then has it without them, as base64.
# They come back unless all goes well; when this is killed hard, the next run puts our locks back.
manager=$1 wait=$2 space=$3 patterns=$4 locks=$5
shift 5

enabled() {
    awk '/^\[.*\]/ { if (on) print id; id = substr($0, 2, index($0, "]") - 2); on = 1 }
         /^[ \t]*enabled[ \t]*=[ \t]*(0|no|false|No|False)[ \t]*$/ { on = 0 }
         END { if (on) print id }' /etc/yum.repos.d/*.repo 2>/dev/null
}

chosen() {
    ids=$(enabled)
    set -f
    for id in $ids; do
        for pattern in $patterns; do
            # shellcheck disable=SC2254
            case $id in $pattern) printf '%s,' "$id" ;; esac
        done
    done
    set +f
}

room() {
    # With a full /tmp every signature reads as a wrong one.
    for each in "/usr $space" "/var $space" '/tmp 1'; do
        place=${each% *} need=${each#* }
        free=$(df -Pm "$place" | awk 'NR == 2 { print $4 }')
        [ "$free" -ge "$need" ] || die "$place has $free MB free, this needs $need MB; nothing was installed"
    done
}

# Output goes to a file: a package manager whose output breaks off (the control side was killed)
# would die in the middle of its transaction.
transaction() {
    log=$RUN/packages.log
    deadline=$(($(date +%s) + wait))
    while :; do
        rc=0
        "$manager" -y --setopt=exit_on_lock=True --setopt=timeout=30 --setopt=minrate=1000 \
            --setopt=retries=3 --setopt=keepcache=0 "$@" >"$log" 2>&1 </dev/null 9>&- || rc=$?
        [ $rc = 200 ] || break
        [ "$(date +%s)" -lt "$deadline" ] || die "another package manager has held its lock for $wait s: $(holder)"
        sleep 2
    done
    [ $rc = 0 ] || die "$manager $verb failed ($rc): $(tail -n 15 "$log")"
}

holder() {
    for file in /var/run/dnf.pid /run/dnf.pid /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid \
        /var/cache/dnf/download_lock.pid /var/log/log_lock.pid /var/run/yum.pid; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        [ -d "/proc/$pid" ] || continue
        echo "pid $pid, $(tr '\000' ' ' <"/proc/$pid/cmdline")"
        return
    done
    tail -n 3 "$RUN/packages.log"
}

# yum exits 0 when one of several packages is missing, so rpm has the last word.
prove() {
    for spec in $specs; do
        if rpm -q "$spec" >/dev/null 2>&1 || [ -n "$(rpm -qa "$spec")" ]; then found=yes; else found=no; fi
        case $verb-$found in
        remove-yes) die "$spec is still installed, although $manager reported success" ;;
        install-no | downgrade-no)
            die "$spec is not installed, although $manager reported success: $(tail -n 15 "$log")"
            ;;
        esac
    done
}

# By rename: other people's locks are never half there.
lock_by() {
    new=${locks%/*}/.elforge.${locks##*/}.new
    cp -a "$locks" "$new"
    dd if="$1" of="$new" conv=fsync status=none
    mv -fT "$new" "$locks"
}

if [ -n "$locks" ]; then
    # Below /run, where no killed script leaves anything for good.
    cp "$locks" "$RUN/locked"
    base64 -d >"$RUN/unlocked"
    trap 'lock_by "$RUN/locked"; rm -f "$RUN/locked" "$RUN/unlocked"' EXIT
    lock_by "$RUN/unlocked"
fi
only=
if [ -n "$patterns" ]; then
    ids=$(chosen)
    [ -n "$ids" ] || die "none of the enabled repositories is one of: $patterns"
    only="--disablerepo=* --enablerepo=${ids%,}"
fi
verb= specs=
run() {
    [ -n "$specs" ] || return 0
    set -f
    # shellcheck disable=SC2086
    case $verb in
    remove)
        # What else needs them is not ours to remove; yum and dnf would take it along.
        rpm -e --test $specs >"$RUN/packages.log" 2>&1 || die "not removed: $(cat "$RUN/packages.log")"
        transaction --setopt=clean_requirements_on_remove=0 remove $specs
        ;;
    *) room; transaction $only "$verb" $specs ;;
    esac
    prove
    set +f
}
for word in "$@"; do
    case $word in
    install | downgrade | remove) run; verb=$word specs= ;;
    *) specs="$specs $word" ;;
    esac
done
run
if [ -n "$locks" ]; then
    trap - EXIT
    rm -f "$RUN/locked" "$RUN/unlocked"
fi
