# download PART SHA256 SIZE URL...: a part of fetch and toolchain. PART is the file, whole or not at all with that
# digest; SIZE is in bytes, - where nobody knows it.
what() {
    got=$(wc -c <"$1")
    case $(head -c 200 "$1" | tr -d '\000' | tr 'A-Z' 'a-z') in
    *'<html'* | *'<!doctype'*) echo "an HTML page: a captive portal or an error page" ;;
    '') echo "an empty file" ;;
    *) if [ "$2" = - ] || [ "$got" = "$2" ]; then echo "$got bytes"; else echo "$got bytes of $2"; fi ;;
    esac
}

download() {
    part=$1 sha=$2 size=$3
    shift 3
    for url in "$@"; do
        # -C - goes on where a broken download stopped; a server that cannot do so starts again.
        if curl -fsSL --retry 3 --connect-timeout 15 --speed-limit 1000 --speed-time 30 \
            -C - -o "$part" "$url" 2>"$part.err" 9>&-; then
            got=$(digest "$part")
            if [ "$got" = "$sha" ]; then
                rm -f "$part.err"
                return 0
            fi
            say "$url: sha256 is $got, expected $sha; it sent $(what "$part" "$size")"
            rm -f "$part"
        else
            say "$url: $(tail -n 1 "$part.err")"
        fi
        rm -f "$part.err"
    done
    return 1
}
