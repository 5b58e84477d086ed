# recipe (a part of toolchain and compile): reads a line "KEY value" per variable from stdin, as base64.
# Not a here-document: bash before 5.1 puts those into /tmp.
base64 -d >"$RUN/recipe"
while read -r key value; do
    case $key in '' | *[!a-z]*) die "not a recipe: $key" ;; esac
    eval "$key=\$value"
done <"$RUN/recipe"
