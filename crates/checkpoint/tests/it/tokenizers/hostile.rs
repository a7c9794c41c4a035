//! Vocabularies made to harm.
