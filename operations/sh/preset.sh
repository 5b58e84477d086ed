# preset UNIT: the package that brings a unit is not to enable it; until the next boot.
mkdir -p /run/systemd/system-preset
echo "disable $1" >"/run/systemd/system-preset/00-elforge-$1.preset"
