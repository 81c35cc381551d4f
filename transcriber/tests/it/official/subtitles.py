"""Reads subtitles on standard input with an outside parser (srt or webvtt-py) and prints their cues as JSON."""

import html
import io
import json
import sys

import srt
import webvtt


def srt_cues(text):
    def milliseconds(time):
        return round(time.total_seconds() * 1000)

    for cue in srt.parse(text):
        yield {
            "index": cue.index,
            "start_ms": milliseconds(cue.start),
            "end_ms": milliseconds(cue.end),
            "text": cue.content,
        }


def vtt_cues(text):
    def milliseconds(time):
        return round(((time.hours * 60 + time.minutes) * 60 + time.seconds) * 1000 + time.milliseconds)

    for cue in webvtt.from_buffer(io.StringIO(text)):
        found = {
            "start_ms": milliseconds(cue.start_time),
            "end_ms": milliseconds(cue.end_time),
            "text": html.unescape(cue.text),
        }
        yield found | ({"voice": cue.voice} if cue.voice else {})


parsers = {"srt": srt_cues, "vtt": vtt_cues}
print(json.dumps(list(parsers[sys.argv[1]](sys.stdin.read()))))
