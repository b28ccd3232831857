#!/bin/sh
sed -e "s/@PORT@/$PORT/" -e "s/@LEVEL@/$LEVEL/" /etc/service.conf.in > /etc/service.conf
[ "$1" = service ] || exec "$@"
cat /etc/service.conf
ls /var/lib/service
echo "started: $*"
