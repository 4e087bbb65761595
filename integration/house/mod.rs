//! The house keeps its own rules: what the floor plan, the style and the documents promise is read from the sources themselves.
//!
//! Each check returns what is wrong, as sentences; each is shown to find something before it is trusted to find nothing.

mod answers;
mod crates;
mod documents;
mod enums;
mod files;
mod kustomize;
mod layering;
mod locks;
mod manifests;
mod runbook;
mod source;

use source::{Source, all_sources};

/// Fails with everything that is wrong.
fn expect_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
