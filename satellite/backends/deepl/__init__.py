"""The DeepL Voice API (real time)."""
