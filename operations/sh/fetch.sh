# fetch PATH USER GROUP MODE SHA256 URL...: the first URL that gives the right content wins.
path=$1 user=$2 group=$3 mode=$4 sha=$5
shift 5
dir=${path%/*} name=${path##*/}
trap 'explain_refusal "$path"' EXIT
mkdir -p -m 755 "$dir"
# The digest in its name keeps a partial download from being continued with another file's bytes.
part=$dir/.elforge.$name.$sha
for stale in "$dir/.elforge.$name".*; do
    [ "$stale" = "$part" ] || rm -rf "$stale"
done

what() {
    case $(head -c 200 "$1" | tr -d '\000' | tr 'A-Z' 'a-z') in
    *'<html'* | *'<!doctype'*) echo "an HTML page: a captive portal or an error page" ;;
    '') echo "an empty file" ;;
    *) echo "$(wc -c <"$1") bytes" ;;
    esac
}

for url in "$@"; do
    # -C - goes on where a broken download stopped; a server that cannot do so starts again.
    if curl -fsSL --retry 3 --connect-timeout 15 --speed-limit 1000 --speed-time 30 \
        -C - -o "$part" "$url" 2>"$part.err" 9>&-; then
        got=$(digest "$part")
        if [ "$got" = "$sha" ]; then
            rm -f "$part.err"
            chown "$user:$group" "$part"
            chmod "$mode" "$part"
            label "$part" "$path"
            settle "$part"
            keep "$path"
            mv -fT "$part" "$path"
            settle "$dir"
            trap - EXIT
            exit 0
        fi
        say "$url: sha256 is $got, expected $sha; it sent $(what "$part")"
        rm -f "$part"
    else
        say "$url: $(tail -n 1 "$part.err")"
    fi
    rm -f "$part.err"
done
die "$path: no source gave the expected content, the old file stays"
