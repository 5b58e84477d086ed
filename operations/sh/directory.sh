# directory PATH USER GROUP MODE
path=$1 user=$2 group=$3 mode=$4
dir=${path%/*} name=${path##*/}
trap 'explain_refusal "$path"' EXIT
trusted "$dir"
parents "${dir:-/}"
rm -rf "$dir/.elforge.$name".*
if [ -L "$path" ]; then
    die "$path is a symbolic link, and links are not followed"
elif [ -d "$path" ]; then
    chown -h "$user:$group" "$path"
    chmod "$mode" "$path"
    label "$path" "$path"
else
    # Whole in what is root's alone, so that its owner gets it as it is to be.
    temp=$(mktemp -d "$dir/.elforge.$name.XXXXXX")
    trap 'rm -rf "$temp" || :; explain_refusal "$path"' EXIT
    mkdir "$temp/$name"
    chown "$user:$group" "$temp/$name"
    chmod "$mode" "$temp/$name"
    label "$temp/$name" "$path"
    mv -T "$temp/$name" "$path"
    rm -rf "$temp"
fi
settle "$path"
settle "${dir:-/}"
trap - EXIT
