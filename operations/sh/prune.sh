# prune ROOT NAME...: toolchains go whole, so that none is seen half removed, and ROOT with the last of them.
root=$1
shift
trap 'explain_refusal "$root"' EXIT
for name in "$@"; do
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
