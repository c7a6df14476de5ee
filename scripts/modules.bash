# How the scripts beside this one, which source it, build programs out of the modules in e2e/clients.
# shellcheck shell=bash

modules=$(cd "$(dirname "${BASH_SOURCE[0]}")/../e2e/clients" && pwd)

# build FOLDER NAME MODULE PACKAGE PATH puts a program into a folder, of the version that a module in e2e/clients pins with all that it is made
# of. There is one file for each version, so that another version is built anew. Without it, the others are run all the same, and
# what needs it says so.
build() {
	local folder=$1 name=$2 module=$3 version
	version=$(awk -v module="$4" '$1 == module { print $2 } $2 == module { print $3 }' "$modules/$module/go.mod")
	if [ -x "$folder/$name-$version" ]; then
		return
	fi
	echo "building $name $version: this takes some minutes once" >&2
	( # which a signal ends with its trap alone
		tmp=$(mktemp -d "$folder/.build.XXXXXX") # beside it, so that it is there whole or not at all
		trap 'rm -rf "$tmp"' EXIT
		if CGO_ENABLED=0 go build -C "$modules/$module" -trimpath -ldflags='-s -w' -o "$tmp/$name" "$4/$5"; then
			rm -f "$folder/$name"-v*
			mv "$tmp/$name" "$folder/$name-$version"
		fi
	)
}
