#!/usr/bin/perl
use strict;
use lib "/usr/local/lib/site_perl";
use Rot;
print Rot::turn("@ARGV"), "\n";
