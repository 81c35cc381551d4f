#!/bin/sh
# Makes the clips: phone audio (8 kHz, 16-bit PCM WAV; MP3 beside it) spoken by espeak-ng, and each channel's text.
# Needs espeak-ng, sox and lame. Run it in its own folder; what it makes stands in the tree, so only a change needs it.
# The people are invented, and there is no phone number. Two channels: the caller speaks on the first, then the agent on the second.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# say VOICE WORDS_PER_MINUTE PITCH TEXT WAV: one voice, as it sounds through a telephone.
say() {
    espeak-ng -v "$1" -s "$2" -p "$3" -w "$scratch/raw.wav" "$4"
    sox -R "$scratch/raw.wav" -r 8000 -b 16 -c 1 "$5" sinc 300-3400 gain -n -6 pad 0.1 0.1
}

# clearly VOICE WORDS_PER_MINUTE PITCH TEXT WAV: as a good line sounds, with all that 8 kHz can carry.
clearly() {
    espeak-ng -v "$1" -s "$2" -p "$3" -w "$scratch/raw.wav" "$4"
    sox -R "$scratch/raw.wav" -r 8000 -b 16 -c 1 "$5" gain -n -6 pad 0.2 0.2
}

encode() {
    lame --quiet --noreplaygain -b 32 "$1.wav" "$1.mp3"
}

# mono NAME VOICE WORDS_PER_MINUTE PITCH TEXT
mono() {
    printf '%s\n' "$5" >"$1.txt"
    say "$2" "$3" "$4" "$5" "$1.wav"
    encode "$1"
}

# dual NAME CALLER_VOICE WORDS_PER_MINUTE PITCH TEXT AGENT_VOICE WORDS_PER_MINUTE PITCH TEXT
dual() {
    printf '%s\n%s\n' "$5" "$9" >"$1.txt"
    say "$2" "$3" "$4" "$5" "$scratch/caller.wav"
    say "$6" "$7" "$8" "$9" "$scratch/agent.wav"
    sox "$scratch/agent.wav" "$scratch/later.wav" pad "$(soxi -D "$scratch/caller.wav")" 0
    sox -R -M "$scratch/caller.wav" "$scratch/later.wav" -b 16 "$1.wav"
    encode "$1"
}

mono voicemail en-us 175 45 \
    "Hi, it's Dana from the front desk. Your parcel is here. Thanks, bye."
mono appointment en-gb 170 55 \
    "Good morning, this is a reminder of your dental appointment on Tuesday at half past nine."
mono delivery en-us+f3 180 50 \
    "The driver could not find your door. We will try again tomorrow between two and four."
mono prescription en-gb-scotland 165 40 \
    "Your prescription is ready. Please bring a photo card when you come to the pharmacy."
mono refund en-us+m3 185 35 \
    "I am calling about my refund. The blue kettle leaked again, so I would like my money back."
mono outage en-gb-x-rp 175 60 \
    "We know of the power cut in your street. Engineers expect to finish within three hours."
dual support en-us 190 45 \
    "Hello, my router keeps blinking red." \
    en-gb+f2 185 55 \
    "I am sorry. Please hold the reset button."
dual booking en-gb+f4 190 60 \
    "A table for four on Friday evening, please." \
    en-us+m2 190 40 \
    "Certainly. Is seven o'clock all right?"
dual banking en-us+f2 195 55 \
    "I lost my card this morning." \
    en-gb 190 45 \
    "Thank you. It is blocked, a new one comes on Monday."

# Spoken so that Debian's pocketsphinx hears it.
weather="we need more information about the weather in new england"
printf '%s\n' "$weather" >weather.txt
clearly en-us+f2 130 50 "$weather" weather.wav
encode weather
