# compile (the recipe on stdin, see Build in operations/service.py): a release of an application, built on this host.
# uses: workshop
# uses: recipe
# uses: shelve
releases=/opt/$name/releases
work=$releases/.build.$version
log=$STATE/service/build-$name.log
# What one build leaves for the next: Go itself forgets what was not used for five days.
cache=/var/cache/elforge-build

tell() { echo "$name: $*" || :; }
trouble() { die "$name: $1; $log ends with: $(tail -n 4 "$log" | tr '\n' ' ')"; }

# EL7's git knows no -C.
in_source() { as_user GIT_TERMINAL_PROMPT=0 sh -c 'cd "$1" && shift && exec git "$@"' git "$work/source" "$@" </dev/null 2>>"$log"; }

# recorded: the commit of a release that is damaged, or that a killed run was about to replace.
recorded() {
    for each in "$releases/$version" "$releases/.old.$version"; do
        ! grep -qxF "origin $origin" "$each/elforge.record" 2>/dev/null ||
            sed -n 's/^commit \([0-9a-f]*\)$/\1/p' "$each/elforge.record"
    done | head -n 1
}

fetched() {
    in_source clone -q --no-checkout "$git" . || trouble "$git cannot be cloned"
    before=$(recorded)
    if [ -n "$before" ]; then
        commit=$(in_source rev-parse -q --verify "$before^{commit}") ||
            die "$name: $git no longer has $before, which release $version was built from:" \
                "give what it has now a version of its own"
    else
        commit=$(in_source rev-parse -q --verify "$ref^{commit}" || in_source rev-parse -q --verify "origin/$ref^{commit}") ||
            die "$name: $git has no $ref"
    fi
    in_source checkout -q --detach "$commit" || trouble "$commit cannot be checked out"
}

# What the host's go.env says of directories (goenv_modcache, goenv_tmpdir) is for another user, who alone may enter them.
# A scope runs it here, in a control group of its own; a service would lose its output and its exit status.
built() {
    # shellcheck disable=SC2086
    systemd-run --scope --quiet -p "$limit" timeout -k 10 "$seconds" runuser -u "$user" -- $clean \
        GOCACHE="$cache/build" GOPATH="$cache/path" GOMODCACHE="$cache/path/pkg/mod" GOTMPDIR="$work/tmp" \
        CGO_ENABLED="$cgo" \
        sh -c 'cd "$1" && exec "$2" build -trimpath -ldflags "-X main.version=$3" -o "$4" "$5"' \
        build "$work/source" "$go" "$version" "$work/out/$name" "$package" </dev/null >>"$log" 2>&1 9>&-
}

why_not() {
    case $1 in
    124) echo "go build was not done after $seconds seconds (service_build_seconds)" ;;
    137) echo "go build was killed; was it the memory (service_build_memory)?" ;;
    *) echo "go build failed" ;;
    esac
}

id "$user" >/dev/null 2>&1 && [ -x "$go" ] || die "$name: there is no $go, or no user $user; the go deploy brings them, to hosts in the group go_hosts"
command -v git >/dev/null || die "$name: there is no git on this host"
trap 'explain_refusal "$releases"' EXIT
trusted "/opt/$name"
parents "$releases"
rm -rf "$releases"/.build.*
mkdir -p "${log%/*}"
trap 'rm -rf "$work" || :; explain_refusal "$releases"' EXIT
workshop "$work" "$user" source out tmp
[ -d "$cache" ] || mkdir -m 700 "$cache"
chown -h "$user:" "$cache"
: >"$log"
tell "building release $version from $ref; the log is $log"
fetched
code=0
built || code=$?
dismissed
[ $code = 0 ] || trouble "$(why_not $code)"
[ -f "$work/out/$name" ] && ! [ -L "$work/out/$name" ] || die "$name: $package is no program"
shelve "$work/out/$name" "$name" "$version" "$origin" "$commit"
trap - EXIT
tell "release $version is commit $commit"
