package Rot;
use strict;
sub turn { my ($text) = @_; $text =~ tr/A-Za-z/N-ZA-Mn-za-m/; return $text }
1;
