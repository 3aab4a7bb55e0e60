"""DeepL Voice on loopback, strict as published."""
