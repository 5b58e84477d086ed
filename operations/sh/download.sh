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

transfer() {
    curl -fsSL --retry 3 --connect-timeout 15 --speed-limit 1000 --speed-time 30 \
        -C - -o "$1" "$2" 2>"$1.err" 9>&-
}

# What came of a broken download is gone on with, unless the server cannot do that (curl's 33): then from the start.
get() {
    transfer "$1" "$2" || {
        [ $? = 33 ] || return 1
        rm -f "$1"
        transfer "$1" "$2"
    }
}

download() {
    part=$1 sha=$2 size=$3
    shift 3
    for url in "$@"; do
        if get "$part" "$url"; then
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
