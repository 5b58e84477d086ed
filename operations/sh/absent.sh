# absent PATH RECURSIVE PRUNE AFTER: a file's content is kept; a directory goes whole only when RECURSIVE
# is yes. PRUNE is yes when the directory that held PATH goes too once it is empty.
path=$1 recursive=$2 prune=$3 after=$4
trap 'explain_refusal "$path"' EXIT
if [ -d "$path" ] && ! [ -L "$path" ]; then
    if [ "$recursive" = yes ] && mountpoint -q "$path"; then
        find "$path" -xdev -mindepth 1 -delete
    elif [ "$recursive" = yes ]; then
        rm -rf --one-file-system "$path"
    else
        rmdir "$path"
    fi
else
    keep "$path"
    rm -f "$path"
fi
[ "$prune" = no ] || rmdir "${path%/*}" 2>/dev/null || true
parent=${path%/*}
[ ! -d "$parent" ] || settle "$parent"
trap - EXIT
[ -z "$after" ] || sh -c "$after" after "$path" 9>&-
