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

# What came of a broken download is gone on with. When that fails, it starts afresh beside it: a server may not be able to
# go on (curl's 33), or have no more to send (HTTP 416). One that cannot be reached (6, 7, 28) gets no second try.
get() {
    [ -s "$1" ] || { transfer "$1" "$2"; return; }
    transfer "$1" "$2" && return 0
    case $? in 6 | 7 | 28) return 1 ;; esac
    rm -f "$1.afresh"
    if transfer "$1.afresh" "$2"; then
        mv -f "$1.afresh" "$1"
        rm -f "$1.afresh.err"
    else
        mv -f "$1.afresh.err" "$1.err"
        rm -f "$1.afresh"
        return 1
    fi
}

whole() { [ -f "$1" ] && [ "$(digest "$1")" = "$2" ]; }

# A download that was gone on with and is not what it should be began with other bytes.
attempt() {
    if [ -s "$1" ]; then
        get "$1" "$3" || return 1
        if whole "$1" "$2"; then return 0; fi
        rm -f "$1"
    fi
    get "$1" "$3"
}

download() {
    part=$1 sha=$2 size=$3
    shift 3
    if whole "$part" "$sha"; then return 0; fi
    for url in "$@"; do
        if attempt "$part" "$sha" "$url"; then
            if whole "$part" "$sha"; then
                rm -f "$part.err"
                return 0
            fi
            say "$url: sha256 is $(digest "$part"), expected $sha; it sent $(what "$part" "$size")"
            rm -f "$part"
        else
            say "$url: $(tail -n 1 "$part.err")"
        fi
        rm -f "$part.err"
    done
    return 1
}
