# link PATH TARGET: readers see the old target or the new one, never none.
path=$1 target=$2
dir=${path%/*} name=${path##*/}
trap 'explain_refusal "$path"' EXIT
trusted "$dir"
parents "$dir"
rm -rf "$dir/.elforge.$name".*
temp=$(mktemp -d "$dir/.elforge.$name.XXXXXX")
trap 'rm -rf "$temp" || :; explain_refusal "$path"' EXIT
ln -s "$target" "$temp/$name"
label "$temp/$name" "$path"
keep "$path"
mv -fT "$temp/$name" "$path"
rm -rf "$temp"
settle "$dir"
trap - EXIT
