# prune ROOT RECORD NAME...: toolchains and releases go whole, so that none is seen half removed, and ROOT with the last of
# them. Before each goes the file RECORD with its name behind, which may hold secrets; "" for none.
root=$1 record=$2
shift 2
trap 'explain_refusal "$root"' EXIT
for name in "$@"; do
    [ -z "$record" ] || rm -f "$record$name"
    for packed in "$root/$name.tar.gz" "$root/$name.tar.gz.sha256"; do
        # A version may be called that.
        [ -d "$packed" ] || rm -f "$packed"
    done
    rm -rf "$root/.old.$name"
    mv -T "$root/$name" "$root/.old.$name"
    rm -rf "$root/.old.$name"
done
rm -rf "$root"/.build.* "$root"/.old.* "$root/.incoming"
rmdir "$root" 2>/dev/null || settle "$root"
trap - EXIT
