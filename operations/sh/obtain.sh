# obtain NAME VERSION SHA256 SOURCE: a release of an application out of a program, which has to have that digest. SOURCE is a
# URL, or a file that was sent to this host.
# uses: download
# uses: shelve
name=$1 version=$2 sha=$3 source=$4
releases=/opt/$name/releases
trap 'explain_refusal "$releases"' EXIT
trusted "/opt/$name"
parents "$releases"
case $source in
/*)
    chown -h root "${source%/*}" "$source"
    [ "$(digest "$source")" = "$sha" ] || die "$name: the program did not arrive whole"
    program=$source
    ;;
*)
    # The digest in its name keeps a partial download from being continued with another file's bytes.
    program=$releases/.incoming/$sha
    mkdir -p "$releases/.incoming"
    download "$program" "$sha" - "$source" || die "$name: release $version was not to be had; nothing has changed"
    ;;
esac
shelve "$program" "$name" "$version" "sha256 $sha"
trap - EXIT
