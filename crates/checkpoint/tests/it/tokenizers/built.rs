//! What a tokenizer does with special tokens, spaces and the ends of texts.
