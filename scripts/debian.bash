# How the scripts beside this one, which source it, get packages of Debian. What it cannot do fails with a reason: make goes on
# without CI, and the tests say what they skip.
# shellcheck shell=bash

apt_options=(-qq -o APT::Sandbox::User=root)

# needs_apt BY_HAND ends the script where there is no apt.
needs_apt() {
	if ! command -v apt-get >/dev/null; then
		echo "there is no apt-get here: $1 by hand" >&2
		exit 1
	fi
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "this takes root, and there is no sudo: $*" >&2
		return 1
	fi
}

# apt_install installs packages, none of which may start a service.
apt_install() {
	local install=(env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@")
	if ! as_root "${install[@]}" >/dev/null 2>&1; then
		as_root apt-get -qq update
		as_root "${install[@]}" >/dev/null
	fi
}

# apt_download FOLDER PACKAGE... puts packages into the working directory. It takes no root: where the machine does not know what
# there is, it asks, and keeps that in the folder.
apt_download() {
	local folder=$1
	shift
	if apt-get "${apt_options[@]}" download "$@" 2>/dev/null; then
		return
	fi
	apt_update "$folder"
	apt-get "${apt_options[@]}" download "$@"
}

# apt_update FOLDER asks what there is, and keeps it in the folder.
apt_update() {
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	apt_options+=(-o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache")
	apt-get "${apt_options[@]}" update
}
