# toolchain (the recipe on stdin, see Recipe in operations/go.py): Go, in place only once it is proven.
# uses: download
# uses: workshop
# uses: recipe
final=$root/$name
# Not below /tmp, which may be mounted noexec, and beside its place, so that it gets there by a rename.
work=$root/.build.$name
raw=$work/new/go tree=$work/done
cache=$STATE/go/downloads
log=$STATE/go/$name.log
case $cc in '') compiler=gcc ;; *) compiler=$cc ;; esac

tell() { echo "$name: $*" || :; }

go_command() {
    as_user GOENV=off GOFLAGS= GOPROXY=off GOTOOLCHAIN=local CC="$compiler" "$@" </dev/null
}

# room DIR MB: DIR may not be there yet.
room() {
    place=$1
    while [ ! -d "$place" ]; do place=${place%/*}; done
    free=$(df -Pm "${place:-/}" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$2" ] || die "$name: ${place:-/} has $free MB free, $2 MB are needed"
}

look_before() {
    if [ "$cgo" = 1 ]; then
        command -v "$compiler" >/dev/null || die "$name: no C compiler: there is no $compiler on this host"
    fi
    room "$STATE" 300
    case $method in
    source)
        room "$root" 1500
        memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
        [ "$memory" -ge 1024 ] || die "$name: a build needs 1024 MB of memory, $memory MB are available"
        ;;
    *) room "$root" 600 ;;
    esac
}

# obtain FILE SHA256 SIZE: a release file, kept until the toolchain is in place, so that a repeat goes on.
obtain() {
    # The digest in its name keeps a partial download from being continued with another file's bytes.
    stored=$cache/$2.$1
    [ -f "$stored" ] && [ "$(digest "$stored")" = "$2" ] && return 0
    tell "downloading $1"
    urls=
    for base in $bases; do urls="$urls $base/$1"; done
    # shellcheck disable=SC2086
    download "$stored" "$2" "$3" $urls || die "$name: $1 was not to be had (see go_download_urls); nothing has changed"
}

# unpack FILE FOLDER: by the unprivileged user, who reads what only root can open.
unpack() { as_user tar -xz --no-same-owner -C "$2" <"$1" || die "$name: $1 cannot be unpacked"; }

build() {
    case $bootstrap in
    /*)
        # Its go.env is the host's policy, which must not reach into a build; the rest is the same files.
        from=$work/bootstrap
        cp -al "$bootstrap" "$from"
        [ ! -f "$from/go.env.upstream" ] || ln -f "$from/go.env.upstream" "$from/go.env"
        ;;
    *)
        # shellcheck disable=SC2086
        obtain $bootstrap
        mkdir -m 700 "$work/unpacked"
        chown "$user:" "$work/unpacked"
        unpack "$stored" "$work/unpacked"
        from=$work/unpacked/go
        ;;
    esac
    tell "building from source; the log is $log"
    {
        bounded_build || echo "$?" >"$work/failed"
    } 2>&1 | tee "$log" || :
    [ ! -e "$work/failed" ] || die "$name: $(why_not); $log ends with: $(tail -n 4 "$log" | tr '\n' ' ')"
}

# A scope runs it here, in a control group of its own; a service would lose its output and its exit status.
# make.bash needs no network, so it gets none.
bounded_build() {
    # shellcheck disable=SC2086
    systemd-run --scope --quiet -p "$limit" timeout -k 10 "$seconds" unshare -n runuser -u "$user" -- $clean \
        GOROOT_BOOTSTRAP="$from" GOROOT_FINAL="$final" CGO_ENABLED="$cgo" ${cc:+CC="$cc"} ${cc:+CXX="${cc%gcc}g++"} \
        sh -c 'cd "$1/src" && exec bash ./make.bash -no-banner' build "$raw" </dev/null 9>&-
}

why_not() {
    case $(cat "$work/failed") in
    124) echo "make.bash was not done after $seconds seconds (go_build_seconds)" ;;
    137) echo "make.bash was killed; was it the memory (go_build_memory)?" ;;
    *) echo "make.bash failed" ;;
    esac
}

# Root's, before it is tried; there is nothing in it but directories and files.
seize() {
    dismissed
    mv -T "$raw" "$tree"
    [ -d "$tree" ] && ! [ -L "$tree" ] || die "$name: the release file holds no directory go"
    chown -R -h root:root "$tree"
    rm -rf "$tree/pkg/obj" "$tree/pkg/bootstrap"
    # That of a toolchain which another host has built: it comes with that host's list, and a link to the policy.
    if [ -f "$tree/elforge.sha256" ]; then
        rm -f "$tree/go.env"
        (cd "$tree" && sha256sum --quiet -c elforge.sha256) || die "$name: the archive's files differ from its list"
        [ ! -f "$tree/go.env.upstream" ] || mv "$tree/go.env.upstream" "$tree/go.env"
    fi
    odd=$(find "$tree" ! -type d ! -type f | head -n 1)
    [ -z "$odd" ] || die "$name: $odd is neither a file nor a directory"
    chmod -R u+w,go-w,a+rX,ug-s "$tree"
}

# compiles CGO_ENABLED FLAG LINE...: a program of these lines is compiled, runs and prints 42.
compiles() {
    enabled=$1 flag=$2
    shift 2
    printf '%s\n' 'package main' "$@" >"$work/probe.go"
    chmod 644 "$work/probe.go"
    # shellcheck disable=SC2086
    go_command CGO_ENABLED="$enabled" "$tree/bin/go" build $flag -o "$work/tmp/probe" "$work/probe.go" &&
        [ "$(go_command "$work/tmp/probe" 2>&1)" = 42 ]
}

# A bin/go is there minutes before a build has come to its end, and long after it has failed.
prove() {
    tell "compiling test programs"
    said=$(go_command "$tree/bin/go" version) || die "$name: bin/go does not run; was it built for $arch?"
    [ "$said" = "go version go$version linux/$arch" ] || die "$name: this is another Go: $said"
    if [ "$method" != binary ]; then
        said=$(go_command "$tree/bin/go" env CGO_ENABLED)
        [ "$said" = "$cgo" ] || die "$name: CGO_ENABLED is $said, not $cgo"
    fi
    compiles 0 '' 'func main() { println(42) }' || die "$name: a plain program does not compile"
    [ "$cgo" = 1 ] || return 0
    compiles 1 '' '// #include <stdlib.h>' 'import "C"' 'func main() { println(int(C.abs(-42))) }' ||
        die "$name: a cgo program does not compile with $compiler"
    [ "$race" = yes ] || return 0
    compiles 1 -race 'func main() { c := make(chan int); go func() { c <- 42 }(); println(<-c) }' ||
        die "$name: a program with -race does not compile with $compiler"
}

# The policy for every toolchain is one file, which the goenv deploy writes; before Go 1.21 there was none.
share_policy() {
    [ -f "$tree/go.env" ] || return 0
    [ -f "$policy" ] || die "$name: there is no $policy: the goenv deploy has to come before the go deploy"
    mv "$tree/go.env" "$tree/go.env.upstream"
    ln -s "$policy" "$tree/go.env"
}

# What every file was when it was proven, and, written last, the record by which a later run knows it.
record() {
    rm -f "$tree"/elforge.*
    # go.dev's archives have no directories in them: unpacked twice, these would be of two times.
    find "$tree" -type d -exec touch -r "$tree/VERSION" {} +
    (cd "$tree" && find . -type f ! -path './elforge.*' -print0 | sort -z | xargs -0 sha256sum >elforge.sha256)
    seal=$(cd "$tree" && seal)
    printf 'version %s\nmanifest %s\nseal %s\ncgo %s\n' "$version" "$(digest "$tree/elforge.sha256")" "$seal" "$cgo" \
        >"$tree/elforge.record"
    chmod 644 "$tree/elforge.record" "$tree/elforge.sha256"
}

seal() { (stat -c '%n %s %Y' VERSION bin/* pkg/include/* pkg/tool/*/* src/*; readlink go.env) 2>/dev/null | sha256sum | cut -c 1-64; }

install_tree() {
    settle_all "$root"
    # Before it gets to its place: a run that is killed after that has nothing to come back for.
    rm -rf "$cache" "$root/.incoming" "$final.tar.gz" "$final.tar.gz.sha256"
    [ ! -e "$final" ] || mv -T "$final" "$root/.old.$name"
    mv -T "$tree" "$final"
    settle "$root"
    if command -v selinuxenabled >/dev/null && selinuxenabled; then restorecon -R "$final" 9>&- || true; fi
}

trap 'explain_refusal "$root"' EXIT
look_before
parents "$root"
mkdir -p "$cache"
rm -rf "$root"/.build.* "$root"/.old.*
trap 'rm -rf "$work" || :; explain_refusal "$root"' EXIT
workshop "$work" "$user" new tmp cache
case $method in
archive)
    chown -h root "${archive%/*}" "$archive"
    [ "$(digest "$archive")" = "$sha" ] || die "$name: the archive did not arrive whole"
    unpack "$archive" "$work/new"
    ;;
*)
    # shellcheck disable=SC2086
    obtain $file
    unpack "$stored" "$work/new"
    [ "$method" = binary ] || build
    ;;
esac
seize
prove
share_policy
record
install_tree
rm -rf "$work" "$root"/.old.* "$RUN/recipe"
trap - EXIT
tell "in place"
