# alternatives NAME LINK PATH [NAME LINK PATH]: choose PATH for LINK; the second three follow the first.
name=$1 link=$2 path=$3
shift 3
update-alternatives --install "$link" "$name" "$path" 1000 ${1:+--slave "$2" "$1" "$3"} >&2 9>&-
update-alternatives --set "$name" "$path" >&2 9>&-
