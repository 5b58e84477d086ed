# fetch PATH USER GROUP MODE SHA256 URL...: the first URL that gives the right content wins.
# uses: download
path=$1 user=$2 group=$3 mode=$4 sha=$5
shift 5
dir=${path%/*} name=${path##*/}
trap 'explain_refusal "$path"' EXIT
trusted "$dir"
parents "$dir"
# The digest in its name keeps a partial download from being continued with another file's bytes.
part=$dir/.elforge.$name.$sha
for stale in "$dir/.elforge.$name".*; do
    [ "$stale" = "$part" ] || rm -rf "$stale"
done
download "$part" "$sha" - "$@" || die "$path: no source gave the expected content, the old file stays"
chown "$user:$group" "$part"
chmod "$mode" "$part"
label "$part" "$path"
settle "$part"
keep "$path"
mv -fT "$part" "$path"
settle "$dir"
trap - EXIT
