# put PATH USER GROUP MODE SHA256 VALIDATE AFTER, content as base64 on stdin.
# VALIDATE is shell that gets the new file as $1; AFTER is shell that runs once the file is in place.
path=$1 user=$2 group=$3 mode=$4 sha=$5 validate=$6 after=$7
dir=${path%/*} name=${path##*/}
trap 'explain_refusal "$path"' EXIT
trusted "$dir"
parents "$dir"
rm -rf "$dir/.elforge.$name".*
if [ -f "$path" ] && [ "$(digest "$path")" = "$sha" ]; then
    cat >/dev/null
    chown "$user:$group" "$path"
    chmod "$mode" "$path"
else
    temp=$(mktemp -d "$dir/.elforge.$name.XXXXXX")
    trap 'rm -rf "$temp" || :; explain_refusal "$path"' EXIT
    new=$temp/$name
    said=$(base64 -d | dd of="$new" conv=fsync status=none 2>&1) || true
    [ "$(digest "$new")" = "$sha" ] || die "$path: the new content did not arrive whole, the old file stays: $said"
    if [ -n "$validate" ]; then
        said=$(sh -c "$validate" validate "$new" 2>&1 9>&-) ||
            die "$path: refused by its own program, the old file stays: $said"
    fi
    chown "$user:$group" "$new"
    chmod "$mode" "$new"
    label "$new" "$path"
    keep "$path"
    mv -fT "$new" "$path"
    rm -rf "$temp"
fi
settle "$dir"
trap - EXIT
[ -z "$after" ] || sh -c "$after" after "$path" 9>&-
