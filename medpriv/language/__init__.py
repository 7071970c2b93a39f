"""Language models of clinical texts: tokenizer, transformer, training, the cached pass, and the defences."""
