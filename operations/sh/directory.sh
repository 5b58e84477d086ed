# directory PATH USER GROUP MODE
path=$1 user=$2 group=$3 mode=$4
trap 'explain_refusal "$path"' EXIT
mkdir -p -Z -m 755 "${path%/*}"
[ -d "$path" ] || mkdir "$path"
chown "$user:$group" "$path"
chmod "$mode" "$path"
label "$path" "$path"
settle "$path"
trap - EXIT
