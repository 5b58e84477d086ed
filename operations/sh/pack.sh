# pack ROOT NAME: the digest of a toolchain's archive and, in place last, the archive. Any user may read them: the
# control side fetches them as the user that it logs in as.
root=$1 name=$2
pack=$root/$name.tar.gz
trap 'rm -f "$pack.new" || :; explain_refusal "$root"' EXIT
[ -f "$root/$name/elforge.record" ] || die "$root/$name: there is no toolchain to pack"
# In the archive it is what upstream's is: one folder named go.
tar -C "$root" --transform "s,^$name,go," -cz "$name" >"$pack.new" 9>&-
chmod 644 "$pack.new"
printf '%s\n' "$(digest "$pack.new")" >"$pack.sha256"
chmod 644 "$pack.sha256"
settle "$pack.new"
settle "$pack.sha256"
mv -f "$pack.new" "$pack"
settle "$root"
trap - EXIT
