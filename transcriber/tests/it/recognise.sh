#!/bin/sh
# Transcribes phone audio (a WAV file on standard input) with Debian's pocketsphinx and prints the text.
#
# Its model wants 16 kHz and speech up to 6.8 kHz, where a telephone has nothing above 4 kHz. Doubling the rate without
# the usual filter mirrors the lower half into the upper one, which it recognises far better than silence up there.
# Without dither (-D): its noise is another one at each run, and now and then pocketsphinx hears something else in it.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sox -D -V1 -t wav - -r 16000 -c 1 "$scratch/wide.wav" upsample 2 gain -n -6
pocketsphinx_continuous -infile "$scratch/wide.wav" -logfn /dev/null
