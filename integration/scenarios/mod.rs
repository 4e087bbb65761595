//! Scenarios, each a sentence.
