# sysctl FILE: let the kernel take the settings in FILE, lines of "KEY = VALUE". When it does not take each of them as it is, those
# that were there before come back.
file=$1
proc=/proc/sys
kernels() { tr -s '\t\n ' ' ' <"$proc/$(echo "$1" | tr . /)" | sed 's/ $//'; }
keys() { sed -n 's/^\([a-z][^ ]*\) = .*/\1/p' "$file"; }
was=$(for key in $(keys); do echo "$key = $(kernels "$key" 2>/dev/null)"; done)
# What it says depends on the version, and so does whether it fails: what counts is what the kernel has then.
said=$(sysctl -q -p "$file" 2>&1) || true
wrong=$(for key in $(keys); do
    value=$(sed -n "s|^$key = ||p" "$file")
    now=$(kernels "$key" 2>&1)
    [ "$now" = "$value" ] || echo "$key is $now, not $value;"
done)
[ -z "$wrong" ] || {
    echo "the kernel does not take what is declared, and has what it had before: $wrong $said" >&2
    echo "$was" | grep -v " = \$" | sysctl -q -p - >/dev/null 2>&1
    exit 1
}
