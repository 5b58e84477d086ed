# selinux RELOAD, on stdin as base64 one line per thing to do: before NOTE, semanage LINE, after NOTE,
# boolean NAME=VALUE (in the running kernel), relabel PATH. All semanage LINEs are one transaction, since each
# semanage rebuilds the policy; RELOAD is -N where no kernel would take it.
reload=$1 note=$STATE/selinux.json
mkdir -p "$STATE"
todo=$RUN/selinux.todo
base64 -d >"$todo"
# shellcheck disable=SC2046
set -- $(sed -n 's/^boolean //p' "$todo")

remember() {
    sed -n "s/^$1 //p" "$todo" >"$note.new"
    [ -s "$note.new" ] || return 0
    settle "$note.new"
    mv -f "$note.new" "$note"
    settle "$STATE"
}

# 9>&-: programs with a domain of their own may not have our lock's file, which the kernel would log.
# What is to be ours is noted before it is there: killed in between, the next run knows whose it is.
remember before
sed -n 's/^semanage //p' "$todo" >"$RUN/selinux.import"
if [ -s "$RUN/selinux.import" ]; then
    command -v semanage >/dev/null || die "semanage is not installed"
    # shellcheck disable=SC2086
    said=$(semanage import $reload -f "$RUN/selinux.import" 2>&1 9>&-) ||
        die "semanage took nothing of it: $said: $(cat "$RUN/selinux.import")"
fi
remember after
if [ $# -gt 0 ] && selinuxenabled; then
    setsebool "$@" 9>&-
fi
if selinuxenabled; then
    sed -n 's/^relabel //p' "$todo" | while read -r path; do
        if [ -e "$path" ]; then restorecon -R "$path" 9>&-; fi
    done
fi
rm -f "$note.new" "$todo" "$RUN/selinux.import"
