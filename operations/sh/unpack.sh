# unpack ARCHIVE SHA256 ROOT MEMBER: unpack into ROOT/SHA256, which must then hold MEMBER; flip ROOT/current to it;
# drop what ROOT held before, and the archive.
archive=$1 sha=$2 root=$3 member=$4
trap 'explain_refusal "$root"' EXIT
parents "$root"
rm -rf "$root"/.elforge.*
if ! [ -d "$root/$sha" ]; then
    [ "$(digest "$archive")" = "$sha" ] || die "$archive: not the archive that was asked for; start again"
    temp=$root/.elforge.$sha
    mkdir "$temp"
    said=$(tar -xf "$archive" -C "$temp" --no-same-owner --no-same-permissions 2>&1) ||
        die "$archive: tar cannot read it: $said"
    [ -d "$temp/$member" ] || die "$archive: holds no $member but $(ls -A "$temp" | head -n 3 | tr '\n' ' ')"
    odd=$(find "$temp" ! -type d ! -type f | head -n 1)
    [ -z "$odd" ] || die "$archive: holds links or devices, such as ${odd#"$temp/"}"
    chown -R root:root "$temp"
    chmod -R u=rwX,go=rX "$temp"
    label "$temp" "$root/$sha"
    # All of its files, before the name that says that they are there.
    settle_all "$temp"
    mv -T "$temp" "$root/$sha"
    settle "$root"
fi
link=$root/.elforge.link
ln -s "$sha" "$link"
label "$link" "$root/current"
mv -fT "$link" "$root/current"
settle "$root"
for old in "$root"/*; do
    case ${old##*/} in "$sha" | current) ;; *) rm -rf "$old" ;; esac
done
rm -f "$archive"
trap - EXIT
