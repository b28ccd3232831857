#!/bin/sh
echo "report of $(id -un)" >> /var/log/report.log
