# nouser NAME
userdel "$1"
