"""Voice services on loopback, strict as published, for trials and tests; written from the wire references alone.

`deepl.DeepLEmulator` is DeepL Voice. It recognises a labelled recording by finding received audio in it (`aligner`,
`recogniser`): only words that really arrived are transcribed. Its translation is a **pseudo-translation** (`script`):
the target's tag in brackets, then each word backwards. Its speech is real synthesis where espeak-ng is installed, else
tones. Rules that clients break are recorded as violations (`report`) and answered as the service answers them;
`faults` go wrong on request. Where the reference says "undocumented", the double takes the strictest reading.
"""
