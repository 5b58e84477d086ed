# user NAME HOME SHELL
! getent group "$1" >/dev/null ||
    die "there is a group $1 already, and a user of that name would get what its members may: choose another name," \
        "or groupdel $1 if nobody needs it"
useradd --system --user-group --no-create-home --home-dir "$2" --shell "$3" "$1"
