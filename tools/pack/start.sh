#!/bin/sh
# crunpy in one file: behind this script is an archive with the command and all it needs, which
# the first start unpacks into a directory of yours. Needs Python 3.11 or newer, nothing else.
file=$0
case $file in
*/podman) export CRUNPY_AS=podman ;; # a link of this name: podman's JSON
*/crunpy-oci) set -- oci "$@" ;;
esac
if [ -h "$file" ]; then file=$(readlink -f "$file"); fi
for name in python3 @NAMES@; do
	if python=$(command -v "$name"); then
		# isolated: nothing of the caller's may reach a command that root runs
		exec "$python" -I -S -c '@START@' "$file" "$@"
	fi
done
echo "crunpy: error: there is no python3 in PATH: crunpy needs Python 3.11 or newer" >&2
exit 125
