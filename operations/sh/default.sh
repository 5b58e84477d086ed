# default LINK TARGET ASIDE: flip LINK to TARGET. A directory that stands there goes ASIDE first, if that is given.
link=$1 target=$2 aside=$3
dir=${link%/*} name=${link##*/}
trap 'explain_refusal "$link"' EXIT
[ -x "$target/bin/go" ] || die "$target: there is no toolchain"
rm -rf "$dir/.elforge.$name".*
temp=$(mktemp -d "$dir/.elforge.$name.XXXXXX")
trap 'rm -rf "$temp" || :; explain_refusal "$link"' EXIT
ln -s "$target" "$temp/$name"
label "$temp/$name" "$link"
[ -z "$aside" ] || mv -T "$link" "$aside"
mv -fT "$temp/$name" "$link"
rm -rf "$temp"
settle "$dir"
trap - EXIT
