#!/bin/sh
# this comment is for developers
echo "$MODE $(grep -c developers /app/run) $(ls /app | tr '\n' ' ')"
